import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { AppError, decodeRow, forEachRow, type SqlValue } from '@muster/protocol';
import { readAnswerBlock, type QueryRecord, type ResultEvent } from '@muster/records';
import { type Clock, type Logger, LATENCY_BUCKETS, type Metrics } from '@muster/runtime';
import { readResults } from '../results/read-results.js';
import { compileProblem } from './sql-compiler.js';
import { ReduceThread, type ReduceReply, type ReduceRequest } from './reduce-thread.js';

export interface ReductionsOptions {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReduceMetrics;
  readonly limits: ReduceLimits;
}

export interface ReduceLimits {
  /** How many reductions run at once, and how many more may wait. */
  readonly concurrent: number;
  readonly waiting: number;
  /** Time limit for reading the rows and running the statement together. */
  readonly ms: number;
  readonly heapBytes: number;
}

export interface Reduced {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
  /** Not all rows fit into one message. */
  readonly truncated: boolean;
}

/** What one reply message may carry, well below the broker's limit. */
const MAX_ROWS = 10_000;
const MAX_BYTES = 700 * 1024;
/** What a statement may return before it is cut to those. */
const STATEMENT_LIMITS = { rows: 1_000_000, bytes: 32 * 1024 * 1024 };

/**
 * Runs a reduce statement over all rows that a query has returned so far, read from its result stream. Any query service can do this
 * for any query, while it runs and afterwards.
 */
export class Reductions {
  readonly #options: ReductionsOptions;
  readonly #threads = new Set<ReduceThread>();
  readonly #queue: (() => void)[] = [];
  #active = 0;
  #spare: ReduceThread | undefined;
  #stopped = false;

  constructor(options: ReductionsOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `sql_*`: the statement does not compile. `reduce_failed`: it cannot be run within its limits.
   * `too_many_queries`: too many wait already.
   */
  async reduce(query: QueryRecord, sql: string): Promise<Reduced> {
    await this.#enter();
    const { clock, metrics, limits } = this.#options;
    const startedMs = clock.monotonic();
    const thread = this.#takeThread();
    const over = new AbortController();
    const timer = clock.setTimeout(() => {
      over.abort();
      void thread.stop(`the reduce step took longer than ${limits.ms} ms`);
    }, limits.ms);
    try {
      const reduced = toReduced(await this.#run(thread, query, sql, over.signal));
      metrics.runs.inc({ result: 'ok' });
      return reduced;
    } catch (error) {
      metrics.runs.inc({ result: 'failed' });
      throw error;
    } finally {
      clock.clear(timer);
      metrics.duration.observe((clock.monotonic() - startedMs) / 1_000);
      this.#leave();
      this.#threads.delete(thread);
      await thread.stop('done');
    }
  }

  /** Runs the query's own reduce statement. Never throws: a failure is in the event's `error`. */
  async reducedEvent(query: QueryRecord): Promise<ResultEvent & { readonly t: 'reduced' }> {
    try {
      return { t: 'reduced', ...(await this.reduce(query, query.reduce ?? '')) };
    } catch (error) {
      this.#options.logger.warn('reduce failed', { query: query.id, err: error });
      const message = AppError.is(error) ? error.message : 'the reduce step failed';
      return { t: 'reduced', columns: [], rows: [], truncated: false, error: message };
    }
  }

  start(): void {
    this.#spare = this.#spawn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#threads].map((thread) => thread.stop('the query service is stopping')));
  }

  /** Loading the engine takes longer than most statements, so one thread is always ready for the next. */
  #takeThread(): ReduceThread {
    const spare = this.#spare?.alive ? this.#spare : this.#spawn();
    this.#spare = this.#stopped ? undefined : this.#spawn();
    return spare;
  }

  #spawn(): ReduceThread {
    const thread = new ReduceThread();
    this.#threads.add(thread);
    return thread;
  }

  async #run(thread: ReduceThread, query: QueryRecord, sql: string, signal: AbortSignal): Promise<ReduceReply> {
    const { heapBytes } = this.#options.limits;
    const opened = await thread.send({ t: 'open', shape: { form: query.mode, columns: query.columns }, heapBytes });
    if (opened.t !== 'taken') return opened;
    for await (const { event } of readResults(this.#options.streams, query, signal)) {
      const request = this.#requestFor(event);
      if (request === undefined) continue;
      const reply = await thread.send(request);
      if (reply.t !== 'taken') return reply;
    }
    return thread.send({ t: 'run', sql, limits: { ...STATEMENT_LIMITS, ms: this.#options.limits.ms } });
  }

  #requestFor(event: ResultEvent): ReduceRequest | undefined {
    if (event.t === 'groups') return { t: 'groups', block: event.groups };
    if (event.t !== 'rows') return undefined;
    const names: (readonly [number, string, string])[] = [];
    for (const { num } of readAnswerBlock(event.answers)) {
      const endpoint = this.#options.directory.byNum(num);
      if (endpoint !== undefined) names.push([num, endpoint.agentId, endpoint.facts.host]);
    }
    return { t: 'answers', block: event.answers, names };
  }

  async #enter(): Promise<void> {
    const { concurrent, waiting } = this.#options.limits;
    if (this.#active < concurrent) {
      this.#active += 1;
      return;
    }
    if (this.#queue.length >= waiting) {
      throw new AppError('too_many_queries', 'too many reduce statements are running; try again in a moment', {
        details: { limit: concurrent + waiting },
      });
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  /** Passes the slot to the first one that waits. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#active -= 1;
    else next();
  }
}

function toReduced(reply: ReduceReply): Reduced {
  switch (reply.t) {
    case 'reduced':
      return cut(reply.columns, reply.rows);
    case 'refused':
      throw compileProblem(reply.failure, 'reduce');
    case 'failed':
      throw new AppError('reduce_failed', reply.message);
    case 'taken':
      throw new AppError('internal', 'the reduce step gave no answer');
  }
}

function cut(columns: readonly string[], bytes: Uint8Array): Reduced {
  const rows: SqlValue[][] = [];
  let truncated = false;
  forEachRow(bytes, columns.length, (start, end) => {
    if (rows.length < MAX_ROWS && end <= MAX_BYTES) rows.push(decodeRow(bytes.subarray(start, end)));
    else truncated = true;
  });
  return { columns, rows, truncated };
}

export type ReduceMetrics = ReturnType<typeof reduceMetrics>;

export function reduceMetrics(metrics: Metrics) {
  return {
    runs: metrics.counter({
      name: 'muster_query_reductions_total',
      help: 'Reduce statements, by result.',
      labels: ['result'],
    }),
    duration: metrics.histogram({
      name: 'muster_query_reduction_seconds',
      help: 'Time to read the rows and run a reduce statement over them.',
      buckets: LATENCY_BUCKETS,
    }),
  };
}
