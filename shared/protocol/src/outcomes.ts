/** The outcome of a query on one endpoint. Every targeted endpoint ends in exactly one of them. */
export const OUTCOMES = [
  'answered',
  'empty',
  'error',
  'refused',
  'over_budget',
  'timed_out',
  'disconnected',
  'unreachable',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The outcomes that an agent itself reports in QUERY_END; the others are observed by the gateway or the query's coordinator. */
export const AGENT_OUTCOMES = ['error', 'refused', 'over_budget', 'timed_out'] as const satisfies readonly Outcome[];
export type AgentOutcome = (typeof AGENT_OUTCOMES)[number];

/** Outcomes of a complete answer. */
export function isAnswer(outcome: Outcome): boolean {
  return outcome === 'answered' || outcome === 'empty';
}

/** Codes of warnings by which endpoints say that they did not finish a search: their rows are those until then. */
const UNFINISHED: ReadonlySet<string> = new Set(['over_time', 'over_rows', 'over_bytes']);

export function isUnfinished(warningCode: string): boolean {
  return UNFINISHED.has(warningCode);
}

/**
 * The count of endpoints in each outcome. `targeted` is always the sum of the rest, without `away`: only hunts have it, it counts the
 * endpoints in scope that were not asked yet.
 */
export type Ledger = { readonly targeted: number; readonly waiting: number; readonly away?: number | undefined } & {
  readonly [K in Outcome]: number;
};

export const EMPTY_LEDGER = Object.fromEntries(
  ['targeted', 'waiting', ...OUTCOMES].map((outcome) => [outcome, 0]),
) as Ledger;

/** True when the outcomes and `waiting` add up to `targeted`. */
export function ledgerBalances(ledger: Ledger): boolean {
  return OUTCOMES.reduce((sum, outcome) => sum + ledger[outcome], ledger.waiting) === ledger.targeted;
}

/** True when somebody was asked, and at least half of them answered: fewer say nothing of the rest. */
export function ledgerMostlyAnswered({ targeted, answered, empty }: Ledger): boolean {
  return targeted > 0 && 2 * (answered + empty) >= targeted;
}

/** True when every targeted endpoint answered, with or without rows. */
export function ledgerComplete(ledger: Ledger): boolean {
  return ledger.answered + ledger.empty === ledger.targeted;
}
