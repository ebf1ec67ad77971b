/**
 * The port to the broker's stored side: named streams of entries with sequence numbers, readable from any point.
 *
 * Delivery: an appended entry stays until a limit of the stream (age, bytes, entries per subject) or a purge removes it.
 * `read` yields each entry at most once and skips no entry that is still stored, over reconnects and broker restarts too.
 *
 * Ordering: one stream has one order, its sequence numbers. They rise, with gaps where entries were removed.
 *
 * Atomicity: one append is all or nothing; `expectLastSubjectSeq` makes it a compare-and-set per subject.
 * The broker acknowledges before it has forced the entry to disk: a power loss of its machine can take the last moments.
 *
 * Duties of the caller: `ensure` before the first use; a `msgId` on appends that are repeated after `maybeStored`.
 */
export interface StreamStore {
  /**
   * Creates what is missing and updates what differs: what an operator edited at the broker is put back, but for what a definition does not
   * tell. Idempotent, safe to call from several processes at once.
   * While the broker cannot be asked it tries again, for `timeoutMs`; default 15,000.
   * Nothing is changed when one of them has a format that this version does not read.
   * @throws StreamError `invalid` when the broker refuses a definition, `unavailable` when it cannot be asked;
   * `newer_format`, `older_format`. Of a definition that is `expected`: `no_stream` when it is missing, `invalid` when
   * it has not what this one relies on.
   */
  ensure(streams: readonly StreamDefinition[], options?: EnsureOptions): Promise<void>;

  /**
   * Appends one entry. Calls may overlap; overlapping appends of one caller keep their order.
   * It does not throw when the broker fails.
   */
  append(subject: string, data: Uint8Array, options?: AppendOptions): Promise<AppendResult>;

  /**
   * The newest kept entry of a subject (wildcards allowed); its `pending` is 0.
   * @throws StreamError `no_stream`, `unavailable`.
   */
  last(stream: string, subject: string): Promise<Entry | undefined>;

  /**
   * The sequence of the newest entry that was ever stored, kept or not; 0 when there was none.
   * @throws StreamError `no_stream`, `unavailable`.
   */
  newestSeq(stream: string): Promise<number>;

  /**
   * Reads entries in sequence order. Pull-based: at most `batch` entries (about 4 MB, never over 8 MB) are fetched ahead of the
   * consumer, so one that stops iterating costs a bounded amount of memory. Leaving the loop frees everything.
   *
   * Without `follow` it ends when it has caught up, which is proven and never concluded from silence: all matching entries that were stored
   * when it began, and are still, were yielded. It ends at once when nothing matches. With `follow` it ends only by `signal`.
   * An aborted signal ends the iteration without an exception. While the broker is away the iteration waits.
   * @throws StreamError `no_stream`; `stream_reset` when the stream was lost and created again: sequences name other entries; `unavailable`
   * when the connection was ended; `stalled` when the broker does not bring what it says that it has, and no other reader got further.
   */
  read(stream: string, options?: ReadOptions): AsyncIterable<Entry>;

  /**
   * Removes the entries of one subject (wildcards allowed): all, or those whose sequence is below `beforeSeq`, so that what was
   * appended meanwhile stays. Sequence numbers are not used again. One by one: not for subjects of many entries.
   * @throws StreamError `no_stream`, `unavailable`.
   */
  purge(stream: string, subject: string, options?: { readonly beforeSeq?: number }): Promise<void>;

  /**
   * How much the broker keeps, and may keep. Fills up the reserve for essential appends.
   * @throws StreamError `unavailable`.
   */
  storage(): Promise<StorageState>;

  /** The readers with `onCaughtUp` that have not caught up: what a start waits for. */
  readonly catchingUp: ReadonlySet<CatchUp>;
}

export interface EnsureOptions {
  readonly timeoutMs?: number;
  /** Called after a stream was made (`created`) or changed (the names of what was changed). */
  readonly onEnsured?: (stream: string, changes: readonly string[]) => void;
}

export interface StorageState {
  readonly usedBytes: number;
  /** Undefined where the broker has no limit for this account, or does not tell it. */
  readonly limitBytes: number | undefined;
  /** Bytes of each stream, by its name. */
  readonly streams: ReadonlyMap<string, number>;
  /** What a stream may have before it drops its oldest entries, by its name; only of those that have such a bound. */
  readonly bounds: ReadonlyMap<string, number>;
}

/** How far a reader is. Both numbers change while it reads. */
export interface CatchUp {
  readonly stream: string;
  readonly done: number;
  readonly of: number;
}

export interface StreamDefinition {
  /** Upper-case letters, digits and `_`. */
  readonly name: string;
  /** The subjects of the stream; no subject may belong to two streams. */
  readonly subjects: readonly string[];
  /** Default `file`. It cannot be changed later. */
  readonly storage?: 'file' | 'memory';
  /**
   * The format of its entries; default 1. It rises with a change that a version before cannot read. A version reads its own and the one
   * before, and refuses others before anything is changed.
   */
  readonly format?: number;
  /** Entries older than this are removed. */
  readonly maxAgeMs?: number;
  /** When the stream is larger than this, its oldest entries are removed. The broker reserves so much room when it creates the stream. */
  readonly maxBytes?: number;
  /** 1 makes the stream a map of the newest entry per subject. */
  readonly maxMsgsPerSubject?: number;
  /**
   * `muster-setup` makes it, and this one may not: it has to be there with what is told here, but for its bounds: age,
   * bytes, and how many entries of a subject, where it is no map.
   */
  readonly expected?: boolean;
  /** On how many servers of a cluster it is kept. Without it: on one when it is created, later on as many as an operator chose. */
  readonly replicas?: number;
}

export interface AppendOptions {
  /** Append only if the newest entry of this subject has this sequence; 0 means: only if the subject has no entry. */
  readonly expectLastSubjectSeq?: number;
  /** The same id within two minutes is stored once; the repeat is answered with the first one's sequence. */
  readonly msgId?: string;
  /**
   * What ends or stops something, or says that it has ended: it is stored also where the broker's storage is full, as long as the reserve
   * lasts.
   */
  readonly essential?: true;
}

export type AppendResult =
  | { readonly kind: 'appended'; readonly seq: number }
  /** `expectLastSubjectSeq` did not hold: there is a newer entry. Nothing was stored. */
  | { readonly kind: 'conflict' }
  /**
   * `maybeStored`: the acknowledgement was lost, so the entry may be stored. Repeat it with the same `msgId`. The cause is a `StreamError`
   * `storage_full` where the broker has no room.
   */
  | { readonly kind: 'unavailable'; readonly maybeStored: boolean; readonly cause: Error };

export interface Entry {
  readonly seq: number;
  readonly subject: string;
  /** Never overwritten, but a view of a larger receive buffer: `slice()` what is kept for long. */
  readonly data: Uint8Array;
  /** When the broker stored it. */
  readonly timestampMs: number;
  /** How many matching entries were stored after this one when it was fetched, as the broker counts: often wrong, so it proves nothing. */
  readonly pending: number;
}

export interface ReadOptions {
  /** Only entries of this subject (wildcards allowed). */
  readonly subject?: string;
  /** First sequence to read; default: the oldest stored entry. */
  readonly fromSeq?: number;
  /**
   * Start with the newest entry of each subject, then what comes after. Not together with `fromSeq`.
   * After an interruption a subject may be seen more than once, newest last.
   */
  readonly lastPerSubject?: boolean;
  /** Continue with new entries after catching up. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** Entries fetched ahead, 1 to 1,000; default 256. */
  readonly batch?: number;
  /**
   * How often the broker says that there is nothing new; default 750. A request that was lost is noticed after two of them, so a reader
   * stands still for 2 s. For readers that are many: they cost the broker one small message each.
   */
  readonly heartbeatMs?: number;
  /** Called once, when the consumer has taken all entries that were stored at the start; at once when nothing matched. */
  readonly onCaughtUp?: () => void;
}

/**
 * `storage_full`: the broker has no room; nothing was stored. `newer_format`, `older_format`: a stream was written by a version that is too
 * far from this one; nothing was changed. `stalled`: what is kept was not read to its end; a later reading may.
 */
export type StreamErrorCode =
  | 'no_stream'
  | 'unavailable'
  | 'stalled'
  | 'invalid'
  | 'stream_reset'
  | 'storage_full'
  | 'newer_format'
  | 'older_format';

/** The only exception of the port. Check `code`, not the message. */
export class StreamError extends Error {
  override readonly name = 'StreamError';
  readonly code: StreamErrorCode;

  constructor(code: StreamErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Whether an append failed because the broker has no room for it. */
export function isStorageFull(cause: unknown): boolean {
  return cause instanceof Error && cause.name === StreamError.name && (cause as StreamError).code === 'storage_full';
}
