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

/** The count of endpoints in each outcome. `targeted` is always the sum of the rest. */
export type Ledger = { readonly targeted: number; readonly waiting: number } & { readonly [K in Outcome]: number };

export const EMPTY_LEDGER: Ledger = {
  targeted: 0,
  waiting: 0,
  answered: 0,
  empty: 0,
  error: 0,
  refused: 0,
  over_budget: 0,
  timed_out: 0,
  disconnected: 0,
  unreachable: 0,
};

/** True when the outcomes and `waiting` add up to `targeted`. */
export function ledgerBalances(ledger: Ledger): boolean {
  let sum = ledger.waiting;
  for (const outcome of OUTCOMES) sum += ledger[outcome];
  return sum === ledger.targeted;
}

/** True when every targeted endpoint answered, with or without rows. */
export function ledgerComplete(ledger: Ledger): boolean {
  return ledger.answered + ledger.empty === ledger.targeted;
}
