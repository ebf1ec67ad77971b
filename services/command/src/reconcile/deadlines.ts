import type { CommandState } from '@muster/protocol';
import { encodeNumberSet, type CommandFold, type CommandRecord, type StateChange } from '@muster/records';
import type { OpenCommand } from '../journal/open-command.js';
import { hasNoRoom, NO_ROOM } from '../journal/no-room.js';

/** Time after the expiry for reports that are on their way, and for endpoints whose clock is behind. */
const UNCONFIRMED_MS = 10_000;
/** Endpoints repeat an outcome at most 37.5 s apart: who can be heard and says nothing for so long has nothing to say. */
export const REPORT_MS = 40_000;

/** Every target is settled by then, unless the service could not hear or could not write. */
function latestEndMs({ expiresAtMs, timeoutMs }: CommandRecord): number {
  return expiresAtMs + timeoutMs + REPORT_MS;
}

const OVERDUE_MS = 60_000;

/** Whether a command should have ended a minute ago or more. */
export function isOverdue(record: CommandRecord, nowMs: number): boolean {
  return nowMs > latestEndMs(record) + OVERDUE_MS;
}

export function countOverdue(commands: Iterable<Pick<OpenCommand, 'record'>>, nowMs: number): number {
  let count = 0;
  for (const { record } of commands) if (isOverdue(record, nowMs)) count += 1;
  return count;
}

/** Since when endpoints could be heard. */
export interface Hearing {
  /** Since when this service hears what it sends over the broker itself, and can keep in the journal what it hears. */
  readonly sinceMs: number;
  /** When the endpoints of targets connected; absent where they did not since the target changed. */
  readonly arrivedMs: ReadonlyMap<number, number>;
}

/** Targets that are due by time alone. */
export interface Overdue {
  readonly queued: readonly number[];
  /** Sent, and the command expired. */
  readonly unconfirmed: readonly number[];
  /** The endpoint said that it had no room, up to the end. */
  readonly noRoom: readonly number[];
  /** Taken and not reported, and the last time at which it could have ended is over. */
  readonly silent: readonly number[];
  /** Running for longer than it may: silent if the endpoint has a session, and nobody knows if it has none. */
  readonly late: readonly number[];
}

/** Time in which nobody could hear an endpoint does not count: it has {@link REPORT_MS} from then on. */
export function overdue(fold: CommandFold, nowMs: number, hearing: Hearing): Overdue {
  const { expiresAtMs, timeoutMs, submittedAtMs } = fold.record;
  const isOver = (target: number, atMs: number): boolean => {
    const changedMs = fold.outcome(target)?.atMs ?? submittedAtMs;
    const heardMs = Math.max(hearing.sinceMs, hearing.arrivedMs.get(target) ?? 0);
    return nowMs >= (heardMs > changedMs ? Math.max(atMs, heardMs + REPORT_MS) : atMs);
  };
  const latestMs = latestEndMs(fold.record);
  const found = { queued: [], unconfirmed: [], noRoom: [], silent: [], late: [] } as Record<keyof Overdue, number[]>;
  const { queued, sent, accepted, running } = fold.ledger;
  if (queued > 0 && nowMs >= expiresAtMs) found.queued = [...fold.inState('queued')];
  if (sent + accepted > 0 && nowMs >= expiresAtMs + UNCONFIRMED_MS) {
    for (const target of fold.inState('sent', 'accepted')) {
      const isAccepted = fold.state(target) === 'accepted';
      const noRoom = hasNoRoom(fold, target);
      // It may wait in its queue on the agent until the command expires.
      if (!isOver(target, isAccepted && !noRoom ? latestMs : expiresAtMs + UNCONFIRMED_MS)) continue;
      found[noRoom ? 'noRoom' : isAccepted ? 'silent' : 'unconfirmed'].push(target);
    }
  }
  if (running > 0) {
    for (const target of fold.inState('running')) {
      const endMs = (fold.outcome(target)?.atMs ?? 0) + timeoutMs + REPORT_MS;
      if (isOver(target, latestMs)) found.silent.push(target);
      else if (isOver(target, endMs)) found.late.push(target);
    }
  }
  return found;
}

/** The entry for targets that are due. It holds only if no other entry comes first. */
export function changesOf({ queued, unconfirmed, noRoom, silent }: Omit<Overdue, 'late'>): StateChange[] {
  const changes: StateChange[] = [];
  const settle = (state: CommandState, code: string, message: string, targets: readonly number[]): void => {
    if (targets.length > 0) changes.push({ state, code, message, targets: encodeNumberSet(targets) });
  };
  settle('expired', 'expired', 'not connected before it expired', queued);
  settle('expired', 'unconfirmed', 'sent, but the endpoint has not said that it has it', unconfirmed);
  settle('expired', NO_ROOM, 'the endpoint could not write down what it runs before it expired', noRoom);
  settle('timed_out', 'no_report', 'the endpoint took it and has not told the outcome in time', silent);
  return changes;
}
