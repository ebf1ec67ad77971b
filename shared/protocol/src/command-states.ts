export const TERMINAL_STATES = [
  'succeeded',
  'failed',
  'refused',
  'unsupported',
  'timed_out',
  'cancelled',
  'expired',
] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

/**
 * The state of a command on one target. The rank only rises, and states of rank 4 are final:
 *
 *     queued ──▶ sent ──▶ accepted ──▶ running ──▶ succeeded | failed | refused | unsupported | timed_out | cancelled | expired
 *       │         └──────────┴────────────┴──────────▲
 *       └──▶ cancelled | expired   (no delivery was ever tried)
 *
 * `sent` means that a delivery may have been tried, so only the endpoint knows the outcome.
 */
export const COMMAND_STATES = ['queued', 'sent', 'accepted', 'running', ...TERMINAL_STATES] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

/** The states that an agent reports. */
export const REPORTED_STATES = ['accepted', 'running', ...TERMINAL_STATES] as const satisfies readonly CommandState[];
export type ReportedState = (typeof REPORTED_STATES)[number];

const RANKS = Object.fromEntries(COMMAND_STATES.map((state, at) => [state, Math.min(at, 4)])) as Record<
  CommandState,
  number
>;

export function isTerminal(state: CommandState): state is TerminalState {
  return RANKS[state] === 4;
}

/** Whether a target in `from` can go to `to`. */
export function canTransition(from: CommandState, to: CommandState): boolean {
  if (from === 'queued') return to === 'sent' || to === 'cancelled' || to === 'expired';
  return RANKS[to] > RANKS[from];
}

/** The count of targets in each state. `targeted` is always the sum of the rest. */
export type CommandLedger = { readonly targeted: number } & { readonly [K in CommandState]: number };

export const EMPTY_COMMAND_LEDGER = Object.fromEntries(
  ['targeted', ...COMMAND_STATES].map((state) => [state, 0]),
) as CommandLedger;

export function commandLedgerBalances(ledger: CommandLedger): boolean {
  return COMMAND_STATES.reduce((sum, state) => sum + ledger[state], 0) === ledger.targeted;
}

/** True when every target has a terminal state. */
export function commandLedgerSettled(ledger: CommandLedger): boolean {
  return ledger.queued + ledger.sent + ledger.accepted + ledger.running === 0;
}
