import { LogError, type Log } from '@muster/bus';
import { decodeQueryWire, KEPT, STREAMS, type Ledger, type QueryRecord, type ResultEvent } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';
import type { QueryClient } from './query-client.js';

/** What a viewer is to be told next. `idle`: nothing, but that the connection lives. */
export type Told =
  | { readonly kind: 'event'; readonly seq: number; readonly event: ResultEvent }
  /** The end, made here because the stream does not hold it. */
  | { readonly kind: 'synthesized_end'; readonly record: QueryRecord }
  | { readonly kind: 'idle' };

export interface EventSourceOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly client: Pick<QueryClient, 'guardian'>;
  /** The newest record. */
  readonly readRecord: () => Promise<QueryRecord | undefined>;
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  /** A running query that says nothing for this long is asked after. */
  readonly silenceMs: number;
}

// Small, because each viewer has its own: what is fetched ahead of a viewer that reads slowly is all that they cost.
const BATCH = 8;
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
export async function* queryEvents(record: QueryRecord, options: EventSourceOptions): AsyncGenerator<Told> {
  const { log, clock, signal, heartbeatMs, silenceMs } = options;
  const subject = KEPT.result(record.org, record.id);
  // The end is written to two streams; a record that has just ended may be ahead of the last events.
  const follow = record.state === 'running' || clock.now() - (record.endedAtMs ?? 0) < SETTLING_MS;
  const reading = new AbortController();
  const entries = log.read(STREAMS.results.name, {
    subject,
    fromSeq: options.afterSeq + 1,
    follow,
    batch: BATCH,
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const pull = new Pull(entries, clock);
  let current = record;
  let heardMs = clock.monotonic();
  try {
    for (;;) {
      const waitMs = follow ? Math.min(heartbeatMs, silenceMs) : heartbeatMs;
      const next = await pull.next(waitMs);
      if (signal.aborted) return;
      if (next === 'over') {
        // A query that has ended but whose results do not say so any more: they are kept for less time than its record.
        yield { kind: 'synthesized_end', record: current };
        return;
      }
      if (next !== 'nothing') {
        const event = decodeQueryWire<ResultEvent>(next.data);
        yield { kind: 'event', seq: next.seq, event };
        if (event.t === 'ended') return;
        current = withLedger(current, event);
        heardMs = clock.monotonic();
        continue;
      }
      yield { kind: 'idle' };
      if (!follow || clock.monotonic() - heardMs < silenceMs) continue;
      const end = await endOfSilent(current, options);
      if (end !== undefined && !pull.arrived) {
        yield { kind: 'synthesized_end', record: end };
        return;
      }
      heardMs = clock.monotonic();
    }
  } finally {
    reading.abort();
    await pull.stop();
  }
}

/** How a silent query has ended, or `undefined` while somebody looks after it or nobody can say. */
async function endOfSilent(known: QueryRecord, options: EventSourceOptions): Promise<QueryRecord | undefined> {
  const { client, clock, readRecord } = options;
  const newest = await readRecord().catch(() => undefined);
  if (newest !== undefined && newest.state !== 'running') return newest;
  const guardian = await client.guardian(newest ?? known);
  const overdue = clock.now() > known.deadlineMs + OVERDUE_MS;
  if (guardian !== 'nobody' && !(guardian === 'mute' && overdue)) return undefined;
  return { ...(newest ?? known), state: 'interrupted', ledger: known.ledger, endedAtMs: clock.now() };
}

function withLedger(record: QueryRecord, event: ResultEvent): QueryRecord {
  const ledger: Ledger | undefined =
    event.t === 'progress' ? event.ledger : event.t === 'started' ? event.record.ledger : undefined;
  return ledger === undefined ? record : { ...record, ledger };
}

/** An iterator whose next value can be waited for with a limit, without losing the value that comes later. */
class Pull<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #clock: Clock;
  #pending: Promise<void> | undefined;
  #result: IteratorResult<T> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(source: AsyncIterable<T>, clock: Clock) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#clock = clock;
  }

  /** Whether a value is there to be taken at once. */
  get arrived(): boolean {
    return this.#result !== undefined && this.#result.done !== true;
  }

  async next(waitMs: number): Promise<T | 'over' | 'nothing'> {
    this.#pending ??= this.#iterator.next().then(
      (result) => this.#settle(() => (this.#result = result)),
      (error: unknown) => this.#settle(() => (this.#failure = { error })),
    );
    if (this.#result === undefined && this.#failure === undefined) await this.#wait(waitMs);
    if (this.#failure !== undefined) {
      // A stream that was emptied holds nothing more of this query.
      if (this.#failure.error instanceof Error && this.#failure.error.name === LogError.name) return 'over';
      throw this.#failure.error;
    }
    const result = this.#result;
    if (result === undefined) return 'nothing';
    if (result.done === true) return 'over';
    this.#result = undefined;
    this.#pending = undefined;
    return result.value;
  }

  async stop(): Promise<void> {
    await this.#pending;
    await this.#iterator.return?.();
  }

  #settle(note: () => void): void {
    note();
    this.#wake?.();
  }

  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#clock.setTimeout(done, waitMs);
      const clock = this.#clock;
      function done(): void {
        clock.clear(timer);
        resolve();
      }
      this.#wake = done;
    });
  }
}
