/** What can be recorded. */
const EVENT_KINDS = ['process', 'socket'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export function isEventKind(text: string): text is EventKind {
  return EVENT_KINDS.some((kind) => kind === text);
}

/**
 * What is kept of an event, a line of JSON each. `n` numbers those that become rows; other records add to the row of
 * that number. Times are microseconds since the machine started.
 */
export type EventRecord =
  | { readonly t: 'exec'; readonly n: number; readonly at: number; readonly pid: number; readonly path: string }
  /** What was seen of the process when it was looked at. */
  | ({ readonly t: 'seen'; readonly n: number } & SeenProcess)
  /** What was seen is of a program that the process started later. */
  | { readonly t: 'unseen'; readonly n: number }
  | { readonly t: 'exit'; readonly n: number; readonly at: number }
  | ({ readonly t: 'socket'; readonly n: number; readonly at: number } & SocketChange)
  /** How a connection attempt ended, and the port that it was made from. */
  | { readonly t: 'result'; readonly n: number; readonly ok: boolean; readonly localPort: number };

/** Of the arguments of a process so much is kept. */
export const CMDLINE_BYTES = 4_096;

/** Of a running process. What is missing could not be read. */
export interface SeenProcess {
  /** The process, where an event names a thread. */
  readonly pid?: number;
  readonly parent?: number;
  /** Real, effective, saved, of the file system. */
  readonly uids?: readonly number[];
  readonly gids?: readonly number[];
  /** The login user id. */
  readonly auid?: number;
  readonly cwd?: string;
  readonly exe?: string;
  readonly cmdline?: string;
  /** Bytes of all arguments; the text may be shorter. */
  readonly cmdlineSize?: number;
}

export type SocketAction = 'connect' | 'accept' | 'listen' | 'close';

/** A TCP connection went from one state of the kernel to another. */
export interface StateChange {
  readonly from: number;
  readonly to: number;
  readonly family: number;
  readonly protocol: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** In hex, 4 or 16 bytes. */
  readonly local: string;
  readonly remote: string;
}

export interface SocketChange extends StateChange {
  readonly action: SocketAction;
  /** The thread that called the kernel; absent where it was nobody's call. */
  readonly thread?: number;
}

/** Events that happened and are not in the records. */
export interface MissedEvents {
  /** Overwritten in the kernel before they were read. */
  readonly overrun: number;
  /** Left out for newer ones, before their time was over. */
  readonly evicted: number;
  /** Read, and not understood. */
  readonly damaged: number;
}

/** What the agent has recorded, or why it has not. It goes to worker processes with a statement that asks for it. */
export type RecordedEvents =
  | { readonly fault: string }
  | {
      readonly fault?: undefined;
      readonly kinds: readonly EventKind[];
      /** When the recording began, microseconds since the machine started. Where a fault had ended it: began again. */
      readonly since: number;
      /** When it began for the first time: names rows together with their number. */
      readonly firstSince: number;
      readonly now: number;
      /** How long records are kept, in microseconds. */
      readonly keep: number;
      /** The start of the machine, Unix milliseconds. */
      readonly bootMs: number;
      /** In the time that records are kept. */
      readonly missed: MissedEvents;
      /** Lines of JSON, the oldest first. */
      readonly chunks: readonly Uint8Array[];
    };

/** Whether a statement may read the tables of events. */
export function asksForEvents(sql: string): boolean {
  return /\b(process|socket)_events\b/i.test(sql);
}

export function parseRecords(chunks: readonly Uint8Array[]): EventRecord[] {
  return chunks.flatMap((chunk) =>
    Buffer.from(chunk)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as EventRecord),
  );
}
