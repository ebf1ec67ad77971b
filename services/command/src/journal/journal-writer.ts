import { randomUUID } from 'node:crypto';
import { isStorageFull, type StreamStore } from '@muster/bus';
import type { CommandId, OrgId } from '@muster/protocol';
import { encodeJournalEntry, STREAM_SUBJECTS, type JournalEntry } from '@muster/records';
import { fullJitter, sleep, type Clock } from '@muster/runtime';
import type { JournalLag } from './journal-lag.js';
import type { JournalMetrics } from './journal-metrics.js';

export interface JournalWriterOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly metrics: JournalMetrics;
  readonly maxEntryBytes: number;
  readonly patienceMs: number;
  /** Told what is stored. */
  readonly lag?: Pick<JournalLag, 'appended'>;
}

export type JournalResult =
  | { readonly kind: 'appended'; readonly seq: number; readonly bytes: Uint8Array }
  /** There is an entry that the caller has not seen; nothing was written. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'too_large'; readonly bytes: number }
  /** Not acknowledged in time; with `maybeStored` the entry may be in the journal all the same. */
  | { readonly kind: 'unavailable'; readonly maybeStored: boolean; readonly cause: Error };

export interface WriteOptions {
  /** Write only if the newest entry of this command has this sequence (compare-and-set). */
  readonly after?: number;
  readonly patienceMs?: number;
}

/** The broker recognises a repeated entry by its id for two minutes. */
const MAX_PATIENCE_MS = 60_000;

/** What ends something is kept also where there is no room for anything new. */
function isEssential({ t }: JournalEntry): boolean {
  return t !== 'submitted' && t !== 'released';
}

/** Writes journal entries. An append without acknowledgement is repeated with the same id, so an entry is in the journal once. */
export class JournalWriter {
  readonly #options: JournalWriterOptions;
  #isAway = false;
  /** Monotonic. */
  #keepsSinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
  }

  /**
   * For how long what is reported can be kept, as far as this process has tried: since an entry last failed that ends
   * something, or the first one after that was taken. `Infinity` when none failed.
   */
  get keepsForMs(): number {
    return this.#options.clock.monotonic() - this.#keepsSinceMs;
  }

  /** Does not throw when the broker fails. */
  async append(
    { org, id }: { readonly org: OrgId; readonly id: CommandId },
    entry: JournalEntry,
    { after, patienceMs = this.#options.patienceMs }: WriteOptions = {},
  ): Promise<JournalResult> {
    const { clock, metrics, streams, maxEntryBytes } = this.#options;
    const bytes = encodeJournalEntry(entry);
    if (bytes.length > maxEntryBytes) return { kind: 'too_large', bytes: bytes.length };
    const essential = isEssential(entry) ? ({ essential: true } as const) : {};
    const conditions = {
      msgId: randomUUID(),
      ...essential,
      ...(after === undefined ? {} : { expectLastSubjectSeq: after }),
    };
    const untilMs = clock.monotonic() + Math.min(patienceMs, MAX_PATIENCE_MS);
    const waiters = fullJitter({ baseMs: 100, capMs: 1_000 });
    let maybeStored = false;
    for (;;) {
      const startedMs = clock.monotonic();
      const result = await streams.append(STREAM_SUBJECTS.command(org, id), bytes, conditions);
      if (result.kind === 'appended') {
        metrics.appendSeconds.observe((clock.monotonic() - startedMs) / 1_000);
        metrics.entries.inc({ kind: entry.t });
        metrics.bytes.inc(bytes.length);
        this.#options.lag?.appended(result.seq);
        this.#note(false);
        return { kind: 'appended', seq: result.seq, bytes };
      }
      if (result.kind === 'conflict') return { kind: 'conflict' };
      maybeStored ||= result.maybeStored;
      // Room is not made within the patience of a caller.
      if (clock.monotonic() >= untilMs || isStorageFull(result.cause)) {
        metrics.failed.inc();
        // What is new is refused while there is no room, and outcomes are kept.
        if (isEssential(entry)) this.#note(true);
        return { kind: 'unavailable', maybeStored, cause: result.cause };
      }
      await sleep(clock, 20 + waiters.next());
    }
  }

  #note(isAway: boolean): void {
    if (isAway || this.#isAway) this.#keepsSinceMs = this.#options.clock.monotonic();
    this.#isAway = isAway;
  }
}
