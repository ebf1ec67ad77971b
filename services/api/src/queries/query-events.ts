import type { StreamStore } from '@muster/bus';
import { AppError, type Ledger } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { TimedReader } from '../http/timed-reader.js';
import type { QueryClient } from '../upstream/query-client.js';

/** What a viewer is to be told next. `idle`: nothing, but that the connection lives. */
export type QueryStreamItem =
  | { readonly kind: 'event'; readonly seq: number; readonly event: ResultEvent }
  /** The end, made here because the stream does not hold it. */
  | { readonly kind: 'synthesized_end'; readonly record: QueryRecord }
  | { readonly kind: 'idle' };

export interface EventSourceOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly client: Pick<QueryClient, 'coordinatorStatus'>;
  /** The newest record. */
  readonly readRecord: () => Promise<QueryRecord | undefined>;
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  /** A running query that says nothing for this long is asked after. */
  readonly inactivityMs: number;
}

// Small, because each viewer has its own: what is fetched ahead of a viewer that reads slowly is all that they cost.
const BATCH = 2;
const SETTLING_MS = 60_000;
// When every query service is frozen: how long after a query's deadline its viewers are told that it will not end by itself.
const OVERDUE_MS = 10_000;

/**
 * The events of one query from a sequence on, to its end. It is pulled: the next event is fetched only when the last one has been
 * taken. Ends after the last event, whoever made it.
 *
 *     reading ──ended──▶ over
 *        │ ▲
 *        │ └── owner lives, or another service has taken over
 *     silence ── record says ended, or nobody is left ──▶ synthesized end ──▶ over
 */
export async function* queryEvents(record: QueryRecord, options: EventSourceOptions): AsyncGenerator<QueryStreamItem> {
  const { streams, clock, signal, heartbeatMs, inactivityMs } = options;
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  // The end is written to two streams; a record that has just ended may be ahead of the last events.
  const follow = record.state === 'running' || clock.now() - (record.endedAtMs ?? 0) < SETTLING_MS;
  const reading = new AbortController();
  const entries = streams.read(STREAMS.results.name, {
    subject,
    fromSeq: options.afterSeq + 1,
    follow,
    batch: BATCH,
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  const silence = new InactivityMonitor(options, () => reader.nudge());
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
        silence.heard(next.seq);
        continue;
      }
      const end = silence.look(current);
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

/** Asks after a query that says nothing, beside the stream: an answer may take longer than a viewer should wait for a sign of life. */
class InactivityMonitor {
  readonly #options: EventSourceOptions;
  readonly #onEnd: () => void;
  #heardMs: number;
  #seenSeq: number;
  #asking = false;
  #end: QueryRecord | undefined;

  constructor(options: EventSourceOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#heardMs = options.clock.monotonic();
    this.#seenSeq = options.afterSeq;
  }

  heard(seq: number): void {
    this.#seenSeq = seq;
    this.#heardMs = this.#options.clock.monotonic();
    this.#end = undefined;
  }

  /** The end that was found out; asks when it is time to. */
  look(record: QueryRecord): QueryRecord | undefined {
    const { clock, inactivityMs } = this.#options;
    if (this.#asking || this.#end !== undefined || clock.monotonic() - this.#heardMs < inactivityMs) return this.#end;
    this.#asking = true;
    const heardMs = this.#heardMs;
    void endOfInactive(record, this.#seenSeq, this.#options).then((end) => {
      this.#asking = false;
      // Whatever was found out is worth nothing when the query has spoken meanwhile.
      if (this.#heardMs !== heardMs) return;
      this.#heardMs = clock.monotonic();
      this.#end = end;
      if (end !== undefined) this.#onEnd();
    });
    return undefined;
  }
}

/** A query has ended but its results do not say so any more: they are kept for less time than its record. */
async function endOfExpiredResults(known: QueryRecord, { readRecord }: EventSourceOptions): Promise<QueryRecord> {
  const newest = known.state === 'running' ? await readRecord() : known;
  if (newest !== undefined && newest.state !== 'running') return newest;
  // The stream itself broke off: the viewer comes back and goes on.
  throw new AppError('broker_unavailable', 'the result stream broke off; connect again');
}

/** How a silent query has ended, or `undefined` while somebody looks after it or nobody can say. Never rejects. */
async function endOfInactive(
  known: QueryRecord,
  seenSeq: number,
  options: EventSourceOptions,
): Promise<QueryRecord | undefined> {
  const { client, clock, streams, readRecord } = options;
  const newest = await readRecord().catch(() => undefined);
  // Silence of our reading is not silence of the query: what is kept and not seen yet comes first.
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
