/**
 * The state of a command on one target. The rank only rises, and states of rank 4 are final:
 *
 *     queued ──▶ sent ──▶ accepted ──▶ running ──▶ succeeded | failed | refused | unsupported | timed_out | cancelled | expired
 *       │         └──────────┴────────────┴──────────▲
 *       └──▶ cancelled | expired   (no delivery was ever tried)
 *
 * `sent` means that a delivery may have been tried, so only the endpoint knows the outcome.
 */
export const COMMAND_STATES = [
  'queued',
  'sent',
  'accepted',
  'running',
  'succeeded',
  'failed',
  'refused',
  'unsupported',
  'timed_out',
  'cancelled',
  'expired',
] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

export const TERMINAL_STATES = [
  'succeeded',
  'failed',
  'refused',
  'unsupported',
  'timed_out',
  'cancelled',
  'expired',
] as const satisfies readonly CommandState[];
export type TerminalState = (typeof TERMINAL_STATES)[number];

/** The states that an agent reports. */
export const REPORTED_STATES = ['accepted', 'running', ...TERMINAL_STATES] as const satisfies readonly CommandState[];
export type ReportedState = (typeof REPORTED_STATES)[number];

const RANKS: Readonly<Record<CommandState, number>> = {
  queued: 0,
  sent: 1,
  accepted: 2,
  running: 3,
  succeeded: 4,
  failed: 4,
  refused: 4,
  unsupported: 4,
  timed_out: 4,
  cancelled: 4,
  expired: 4,
};

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

export const EMPTY_COMMAND_LEDGER: CommandLedger = {
  targeted: 0,
  queued: 0,
  sent: 0,
  accepted: 0,
  running: 0,
  succeeded: 0,
  failed: 0,
  refused: 0,
  unsupported: 0,
  timed_out: 0,
  cancelled: 0,
  expired: 0,
};

export function commandLedgerBalances(ledger: CommandLedger): boolean {
  let sum = 0;
  for (const state of COMMAND_STATES) sum += ledger[state];
  return sum === ledger.targeted;
}

/** True when every target has a terminal state. */
export function commandLedgerSettled(ledger: CommandLedger): boolean {
  return ledger.queued + ledger.sent + ledger.accepted + ledger.running === 0;
}
