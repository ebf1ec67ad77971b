import type { CommandState } from '@muster/protocol';
import { encodeNumberSet, type CommandFold, type StateChange } from '@muster/records';

/** Time after the expiry for reports that are on their way, and for endpoints whose clock is behind. */
const UNCONFIRMED_MS = 10_000;
/** Time after the timeout of the action for its report. */
const NO_REPORT_MS = 30_000;

/** The state changes that are due by time alone. They hold only if no other entry comes first. */
export function overdue(fold: CommandFold, nowMs: number): StateChange[] {
  const { expiresAtMs, timeoutMs } = fold.record;
  const { queued, sent, accepted, running } = fold.ledger;
  const changes: StateChange[] = [];
  const settle = (state: 'expired' | 'timed_out', code: string, message: string, targets: readonly number[]): void => {
    if (targets.length > 0) changes.push({ state, code, message, targets: encodeNumberSet(targets) });
  };
  if (queued > 0 && nowMs >= expiresAtMs) {
    settle('expired', 'expired', 'not connected before it expired', [...fold.inState('queued')]);
  }
  if (sent > 0 && nowMs >= expiresAtMs + UNCONFIRMED_MS) {
    settle('expired', 'unconfirmed', 'sent, but the endpoint has not said that it has it', [...fold.inState('sent')]);
  }
  if (accepted + running > 0) {
    const latestMs = expiresAtMs + timeoutMs + NO_REPORT_MS;
    settle('timed_out', 'no_report', 'the endpoint took it and has not told the outcome in time', [
      ...silent(fold, 'running', (sinceMs) => Math.min(latestMs, sinceMs + timeoutMs + NO_REPORT_MS) <= nowMs),
      // It may wait in its queue on the agent until the command expires.
      ...silent(fold, 'accepted', () => latestMs <= nowMs),
    ]);
  }
  return changes;
}

function* silent(fold: CommandFold, state: CommandState, isOver: (sinceMs: number) => boolean): Generator<number> {
  for (const target of fold.inState(state)) if (isOver(fold.outcome(target)?.atMs ?? 0)) yield target;
}
