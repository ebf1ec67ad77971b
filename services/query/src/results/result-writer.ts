import { randomUUID } from 'node:crypto';
import type { StreamStore } from '@muster/bus';
import type { OrgId, QueryId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type ResultEvent } from '@muster/records';
import { sleep, type Clock, type Logger, type Metrics } from '@muster/runtime';

/**
 * The result of an append. `fenced`: another process has written to this query's results and is its coordinator now.
 * `lost`: the broker was unavailable for too long.
 */
export type WriteResult = 'written' | 'fenced' | 'lost';

export interface ResultWriterOptions {
  readonly streams: StreamStore;
  readonly org: OrgId;
  readonly id: QueryId;
  /** The next event that is due, or `undefined`. Called again after each write, so that changes during a write are batched. */
  readonly next: () => ResultEvent | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ResultMetrics;
  /** How long an append is retried while the broker is unavailable. */
  readonly retryForMs: number;
  /** Called once when the results cannot be written any more. */
  readonly onBroken: (result: Exclude<WriteResult, 'written'>) => void;
  /** The sequence of the last event that is stored; default 0, there is none. */
  readonly lastSeq?: number;
}

const RETRY_MS = 250;

/**
 * Writes one query's results in order. Each append names the sequence of the previous one: a coordinator that was frozen while another
 * ended its query finds out at its next append.
 */
export class ResultWriter {
  readonly #options: ResultWriterOptions;
  readonly #subject: string;
  /**
   * Prefix of message ids, unique to this writer: the broker drops a message with a known id as a duplicate, without comparing
   * sequences.
   */
  readonly #name = randomUUID();
  #seq: number;
  #count = 0;
  #broken: Exclude<WriteResult, 'written'> | undefined;
  #busy = false;
  #isEnding = false;
  #pumping: Promise<void> = Promise.resolve();

  constructor(options: ResultWriterOptions) {
    this.#options = options;
    this.#seq = options.lastSeq ?? 0;
    this.#subject = STREAM_SUBJECTS.result(options.org, options.id);
  }

  /** Writes one event. The caller ensures that no other write is under way. */
  async write(event: ResultEvent): Promise<WriteResult> {
    if (this.#broken !== undefined) return this.#broken;
    const result = await this.#append(event);
    if (result === 'written') return result;
    this.#broken = result;
    this.#options.onBroken(result);
    return result;
  }

  /** The query ends: what is still due, and what is being tried, is stored also where the broker has no room. */
  ending(): void {
    this.#isEnding = true;
  }

  /** Starts writing unless it is under way. */
  kick(): void {
    if (this.#broken !== undefined || this.#busy) return;
    this.#busy = true;
    this.#pumping = this.#pump();
  }

  /** Resolves when everything that is due has been written, or writing has failed. */
  async idle(): Promise<void> {
    this.kick();
    while (this.#busy) await this.#pumping;
  }

  async #pump(): Promise<void> {
    try {
      for (let event = this.#options.next(); event !== undefined; event = this.#options.next()) {
        if ((await this.write(event)) !== 'written') return;
      }
    } finally {
      // In the same turn as the last `next()`, so that no later kick is missed.
      this.#busy = false;
    }
  }

  async #append(event: ResultEvent): Promise<WriteResult> {
    const { streams, id, clock, metrics, logger, retryForMs } = this.#options;
    const data = encodeQueryRecord(event);
    // The same id on every retry: an append whose acknowledgement was lost is stored once.
    const options = { expectLastSubjectSeq: this.#seq, msgId: `${this.#name}-${this.#count}` };
    this.#count += 1;
    const startedMs = clock.monotonic();
    for (;;) {
      const essential = this.#isEnding ? ({ essential: true } as const) : {};
      const result = await streams.append(this.#subject, data, { ...options, ...essential });
      if (result.kind === 'appended') {
        this.#seq = result.seq;
        metrics.events.inc({ kind: event.t });
        metrics.bytes.inc(data.length);
        return 'written';
      }
      if (result.kind === 'conflict') return this.#resolveConflict(data);
      if (clock.monotonic() - startedMs > retryForMs) {
        logger.error('results cannot be written', { query: id, err: result.cause });
        return 'lost';
      }
      metrics.retries.inc();
      await sleep(clock, RETRY_MS);
    }
  }

  /** It is no conflict when the last event is the one just written: it was stored, but the acknowledgement was lost. */
  async #resolveConflict(data: Uint8Array): Promise<WriteResult> {
    const { streams, id, logger, metrics } = this.#options;
    try {
      const last = await streams.last(STREAMS.results.name, this.#subject);
      if (last !== undefined && Buffer.compare(last.data, data) === 0) {
        this.#seq = last.seq;
        return 'written';
      }
    } catch (error) {
      logger.warn('last result cannot be read', { query: id, err: error });
    }
    metrics.fenced.inc();
    logger.warn('query was ended by another coordinator', { query: id });
    return 'fenced';
  }
}

export type ResultMetrics = ReturnType<typeof resultMetrics>;

export function resultMetrics(metrics: Metrics) {
  return {
    events: metrics.counter({
      name: 'muster_query_result_events_total',
      help: 'Events written to the result stream.',
      labels: ['kind'],
    }),
    bytes: metrics.counter({
      name: 'muster_query_result_bytes_total',
      help: 'Bytes of events written to the result stream.',
    }),
    retries: metrics.counter({
      name: 'muster_query_result_retries_total',
      help: 'Appends to the result stream that were repeated because the broker did not take them.',
    }),
    fenced: metrics.counter({
      name: 'muster_query_fenced_total',
      help: 'Queries of this process that another process had ended.',
    }),
  };
}
