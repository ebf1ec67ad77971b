import type { StreamStore } from '@muster/bus';
import { AppError, type Ledger } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { TimedReader } from '../http/timed-reader.js';
import type { QueryClient } from '../upstream/query-client.js';

/** The next item of an event stream. `idle`: no event, a heartbeat may be due. */
export type QueryStreamItem =
  | { readonly kind: 'event'; readonly seq: number; readonly event: ResultEvent }
  /** The end of the query, made here because the stream does not hold it. */
  | { readonly kind: 'synthesized_end'; readonly record: QueryRecord }
  | { readonly kind: 'idle' };

export interface QueryEventsOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly client: Pick<QueryClient, 'coordinatorStatus'>;
  /** Reads the newest record of the query. */
  readonly readRecord: () => Promise<QueryRecord | undefined>;
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  /** The coordinator of a running query without events for this long is checked. */
  readonly inactivityMs: number;
}

// Small, because each viewer has its own reader, and prefetched entries are what a slow viewer costs.
const BATCH = 2;
// Viewers are many, and most of the time nothing is new for them.
const STREAM_HEARTBEAT_MS = 2_500;
const SETTLING_MS = 60_000;
// When every query service is frozen: how long after its deadline a query is shown as interrupted.
const OVERDUE_MS = 10_000;

/**
 * The events of one query from a sequence on, to its end. The next event is fetched only when the last one has been taken.
 * Ends after the last event, also after one that was made here.
 *
 *     reading ──ended──▶ ended
 *        │ ▲
 *        │ └── coordinator runs, or another service has taken over
 *     inactive ── record says ended, or no service is left ──▶ synthesized end ──▶ ended
 */
export async function* queryEvents(record: QueryRecord, options: QueryEventsOptions): AsyncGenerator<QueryStreamItem> {
  const { streams, clock, signal, heartbeatMs, inactivityMs } = options;
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  // The end is written to two streams: the record of an ended query may be ahead of its last events.
  const follow = record.state === 'running' || clock.now() - (record.endedAtMs ?? 0) < SETTLING_MS;
  const reading = new AbortController();
  const entries = streams.read(STREAMS.results.name, {
    subject,
    fromSeq: options.afterSeq + 1,
    follow,
    batch: BATCH,
    heartbeatMs: STREAM_HEARTBEAT_MS,
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  const inactivity = new InactivityMonitor(options, () => reader.nudge());
  let current = record;
  try {
    for (;;) {
      const next = await reader.next(Math.min(heartbeatMs, inactivityMs));
      if (signal.aborted) return;
      if (next === 'ended') {
        yield { kind: 'synthesized_end', record: await endOfExpiredResults(current, options) };
        return;
      }
      if (next !== 'timeout') {
        const event = decodeQueryRecord<ResultEvent>(next.data);
        yield { kind: 'event', seq: next.seq, event };
        if (event.t === 'ended') return;
        current = withLedger(current, event);
        inactivity.noteEvent(next.seq);
        continue;
      }
      const end = inactivity.check(current);
      if (end !== undefined && !reader.arrived) {
        yield { kind: 'synthesized_end', record: end };
        return;
      }
      yield { kind: 'idle' };
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

/** Checks an inactive query beside the stream: the check may take longer than the heartbeat interval. */
class InactivityMonitor {
  readonly #options: QueryEventsOptions;
  readonly #onEnd: () => void;
  #lastEventMs: number;
  #seenSeq: number;
  #checking = false;
  #end: QueryRecord | undefined;

  constructor(options: QueryEventsOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#lastEventMs = options.clock.monotonic();
    this.#seenSeq = options.afterSeq;
  }

  noteEvent(seq: number): void {
    this.#seenSeq = seq;
    this.#lastEventMs = this.#options.clock.monotonic();
    this.#end = undefined;
  }

  /** The end that an earlier check found. Starts a check when one is due. */
  check(record: QueryRecord): QueryRecord | undefined {
    const { clock, inactivityMs } = this.#options;
    if (this.#checking || this.#end !== undefined || clock.monotonic() - this.#lastEventMs < inactivityMs)
      return this.#end;
    this.#checking = true;
    const lastEventMs = this.#lastEventMs;
    void endOfInactive(record, this.#seenSeq, this.#options).then((end) => {
      this.#checking = false;
      // Events that arrived in the meantime make the result of the check void.
      if (this.#lastEventMs !== lastEventMs) return;
      this.#lastEventMs = clock.monotonic();
      this.#end = end;
      if (end !== undefined) this.#onEnd();
    });
    return undefined;
  }
}

/** The record of an ended query whose results have expired: they are kept for less time than the record. */
async function endOfExpiredResults(known: QueryRecord, { readRecord }: QueryEventsOptions): Promise<QueryRecord> {
  const newest = known.state === 'running' ? await readRecord() : known;
  if (newest !== undefined && newest.state !== 'running') return newest;
  // The stream itself broke off: the viewer reconnects and resumes.
  throw new AppError('broker_unavailable', 'the result stream broke off; connect again');
}

/** How an inactive query has ended; `undefined` while it has a coordinator, or when that is unknown. Never rejects. */
async function endOfInactive(
  known: QueryRecord,
  seenSeq: number,
  options: QueryEventsOptions,
): Promise<QueryRecord | undefined> {
  const { client, clock, streams, readRecord } = options;
  const newest = await readRecord().catch(() => undefined);
  // Entries that were not read yet: this reader lags, the query is not inactive.
  const last = await streams
    .last(STREAMS.results.name, STREAM_SUBJECTS.result(known.org, known.id))
    .catch(() => undefined);
  if (last !== undefined && last.seq > seenSeq) return undefined;
  if (newest !== undefined && newest.state !== 'running') return newest;
  const status = await client.coordinatorStatus(newest ?? known);
  const overdue = clock.now() > known.deadlineMs + OVERDUE_MS;
  if (status !== 'no_service' && !(status === 'no_answer' && overdue)) return undefined;
  return { ...(newest ?? known), state: 'interrupted', ledger: known.ledger, endedAtMs: clock.now() };
}

function withLedger(record: QueryRecord, event: ResultEvent): QueryRecord {
  const ledger: Ledger | undefined =
    event.t === 'progress' ? event.ledger : event.t === 'started' ? event.record.ledger : undefined;
  return ledger === undefined ? record : { ...record, ledger };
}
