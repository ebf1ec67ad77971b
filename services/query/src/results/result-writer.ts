import { randomUUID } from 'node:crypto';
import type { StreamStore } from '@muster/bus';
import type { OrgId, QueryId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type ResultEvent } from '@muster/records';
import { sleep, type Clock, type Logger } from '@muster/runtime';
import type { ResultMetrics } from './result-metrics.js';

/**
 * What an append came to. `fenced`: somebody else has written to this query's results, so we are not its owner any more.
 * `lost`: the broker was away for too long.
 */
export type WriteResult = 'written' | 'fenced' | 'lost';

export interface ResultWriterOptions {
  readonly streams: StreamStore;
  readonly org: OrgId;
  readonly id: QueryId;
  /** Gives the next event that is due; `undefined` when none is. Asked again after each write, so that what comes meanwhile goes together. */
  readonly next: () => ResultEvent | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ResultMetrics;
  /** How long the broker may be away before the query is given up. */
  readonly giveUpMs: number;
  /** Called once when the results cannot be written any more. */
  readonly onBroken: (result: Exclude<WriteResult, 'written'>) => void;
}

const RETRY_MS = 250;

/**
 * Writes one query's results in order, each append fenced by the sequence of the one before: an owner that was frozen while
 * another ended its query finds out at its first word.
 */
export class ResultWriter {
  readonly #options: ResultWriterOptions;
  readonly #subject: string;
  /** Of this writer alone: the broker would take another's message under the same id for a repeat of ours, and not compare sequences. */
  readonly #name = randomUUID();
  #seq = 0;
  #count = 0;
  #broken: Exclude<WriteResult, 'written'> | undefined;
  #busy = false;
  #pumping: Promise<void> = Promise.resolve();

  constructor(options: ResultWriterOptions) {
    this.#options = options;
    this.#subject = STREAM_SUBJECTS.result(options.org, options.id);
  }

  /** Writes one event; the caller sees to it that nothing else is being written. */
  async write(event: ResultEvent): Promise<WriteResult> {
    if (this.#broken !== undefined) return this.#broken;
    const result = await this.#append(event);
    if (result === 'written') return result;
    this.#broken = result;
    this.#options.onBroken(result);
    return result;
  }

  /** There may be something to write. */
  kick(): void {
    if (this.#broken !== undefined || this.#busy) return;
    this.#busy = true;
    this.#pumping = this.#pump();
  }

  /** Resolves when all that is due has been written, or nothing can be written any more. */
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
      // In the same turn in which nothing was due, so that a kick right after it is not missed.
      this.#busy = false;
    }
  }

  async #append(event: ResultEvent): Promise<WriteResult> {
    const { streams, id, clock, metrics, logger, giveUpMs } = this.#options;
    const data = encodeQueryRecord(event);
    // The same id on every repeat: an append whose acknowledgement was lost is stored once.
    const options = { expectLastSubjectSeq: this.#seq, msgId: `${this.#name}-${this.#count}` };
    this.#count += 1;
    const startedMs = clock.monotonic();
    for (;;) {
      const result = await streams.append(this.#subject, data, options);
      if (result.kind === 'appended') {
        this.#seq = result.seq;
        metrics.events.inc({ kind: event.t });
        metrics.bytes.inc(data.length);
        return 'written';
      }
      if (result.kind === 'conflict') return this.#resolveConflict(data);
      if (clock.monotonic() - startedMs > giveUpMs) {
        logger.error('results cannot be written', { query: id, err: result.cause });
        return 'lost';
      }
      metrics.retries.inc();
      await sleep(clock, RETRY_MS);
    }
  }

  /** A conflict with ourselves, when an append was stored but not acknowledged, is none. */
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
    logger.warn('query was ended by another owner', { query: id });
    return 'fenced';
  }
}
