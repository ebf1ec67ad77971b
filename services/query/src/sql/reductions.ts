import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { AppError, decodeRow, forEachRow, type SqlParameter, type SqlValue } from '@muster/protocol';
import { readAnswerBlock, type QueryRecord, type ResultEvent } from '@muster/records';
import { type Clock, type Logger, LATENCY_BUCKETS, type Metrics } from '@muster/runtime';
import { MAX_RETRY_CHAIN, readWholeResults } from '@muster/service-base';
import type { QueryRecordStore } from '../results/query-record-store.js';
import { compileProblem } from './sql-compiler.js';
import { ReduceSlots, type ReduceOwner, type ReduceSlotLimits } from './reduce-slots.js';
import { ReduceThread, type ReduceReply, type ReduceRequest } from './reduce-thread.js';

export interface ReductionsOptions {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly records: Pick<QueryRecordStore, 'get'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReduceMetrics;
  readonly limits: ReduceLimits;
}

export interface ReduceLimits extends ReduceSlotLimits {
  /** Time limit for reading the rows and running the statement together. */
  readonly ms: number;
  readonly heapBytes: number;
}

export interface ReduceCall {
  readonly owner: ReduceOwner;
  /** Values for the `:name` of the statement. */
  readonly parameters?: readonly SqlParameter[] | undefined;
  /** Finds the queries that it asks again: their rows count too. */
  readonly earlier?: (signal: AbortSignal) => Promise<readonly QueryRecord[]>;
  /** Aborted when nobody waits for it any more. */
  readonly signal?: AbortSignal;
  /** The query's own reduce statement. It waits for its turn, however many wait. */
  readonly isOwn?: boolean;
}

export interface Reduced {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
  /** Not all rows fit into one message. */
  readonly truncated: boolean;
}

interface ReduceRun {
  readonly query: QueryRecord;
  readonly earlier: readonly QueryRecord[];
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
  readonly signal: AbortSignal;
  /** Called when the thread has loaded its engine. */
  readonly started: () => void;
}

/** A thread that has not loaded its engine by then never will. What it takes on a busy machine is not the statement's time. */
const START_MS = 30_000;
const STOPPING = 'the query service is stopping';
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
  readonly #slots: ReduceSlots;
  readonly #ends = new Set<AbortController>();
  #spare: ReduceThread | undefined;
  #stopped = false;

  constructor(options: ReductionsOptions) {
    this.#options = options;
    this.#slots = new ReduceSlots(options.limits);
  }

  /**
   * An aborted signal, whose reason is a text, ends it wherever it is.
   * @throws AppError `sql_*`: the statement does not compile. `reduce_failed`: it cannot be run within its limits, or was ended.
   * `too_many_queries`: too many wait already.
   */
  async reduce(query: QueryRecord, sql: string, call: ReduceCall): Promise<Reduced> {
    const { owner, signal, isOwn = false, parameters = [] } = call;
    const end = this.#open(signal);
    try {
      const earlier = (await call.earlier?.(end.signal)) ?? [];
      const leave = await this.#slots.enter(owner, { isOwn, signal: end.signal });
      return await this.#timed({ query, earlier, sql, parameters }, end).finally(leave);
    } finally {
      this.#ends.delete(end);
    }
  }

  async #timed(
    what: Pick<ReduceRun, 'query' | 'earlier' | 'sql' | 'parameters'>,
    end: AbortController,
  ): Promise<Reduced> {
    const { clock, metrics, limits } = this.#options;
    const { signal } = end;
    if (signal.aborted) throw new AppError('reduce_failed', String(signal.reason));
    const startedMs = clock.monotonic();
    const thread = this.#takeThread();
    signal.addEventListener('abort', () => void thread.stop(String(signal.reason)), { once: true });
    let timer = clock.setTimeout(() => end.abort(`the reduce step did not start within ${START_MS} ms`), START_MS);
    const started = (): void => {
      clock.clear(timer);
      timer = clock.setTimeout(() => end.abort(`the reduce step took longer than ${limits.ms} ms`), limits.ms);
    };
    try {
      const reduced = toReduced(await this.#run(thread, { ...what, signal, started }));
      metrics.runs.inc({ result: 'ok' });
      return reduced;
    } catch (error) {
      metrics.runs.inc({ result: 'failed' });
      throw error;
    } finally {
      clock.clear(timer);
      metrics.duration.observe((clock.monotonic() - startedMs) / 1_000);
      this.#threads.delete(thread);
      await thread.stop('done');
    }
  }

  /** What ends one reduction: its caller's signal, the stop of the service, and later its time limit. */
  #open(signal: AbortSignal | undefined): AbortController {
    const end = new AbortController();
    this.#ends.add(end);
    if (this.#stopped) end.abort(STOPPING);
    else if (signal?.aborted === true) end.abort(signal.reason);
    else signal?.addEventListener('abort', () => end.abort(signal.reason), { once: true });
    return end;
  }

  /** Runs the query's own reduce statement. Never throws: a failure is in the event's `error`. */
  async reducedEvent(query: QueryRecord): Promise<ResultEvent & { readonly t: 'reduced' }> {
    try {
      return {
        t: 'reduced',
        ...(await this.reduce(query, query.reduce ?? '', {
          ...{ owner: query, isOwn: true, parameters: query.parameters },
          earlier: (signal) => this.#askedAgainBy(query, signal),
        })),
      };
    } catch (error) {
      this.#options.logger.warn('reduce failed', { query: query.id, err: error });
      const message = AppError.is(error) ? error.message : 'the reduce step failed';
      return { t: 'reduced', columns: [], rows: [], truncated: false, error: message };
    }
  }

  /**
   * A retry is a part of the answer: its reduce step has the rows of the queries that it asks again too.
   * @throws AppError `not_found`; `conflict`: they are too many, or one asks itself again, which the API does not let happen
   */
  async #askedAgainBy({ org, retryOf }: QueryRecord, signal: AbortSignal): Promise<QueryRecord[]> {
    const earlier: QueryRecord[] = [];
    for (let id = retryOf; id !== undefined; id = earlier[0]?.retryOf) {
      if (signal.aborted) throw new AppError('reduce_failed', String(signal.reason));
      if (earlier.length + 1 >= MAX_RETRY_CHAIN)
        throw new AppError('conflict', `a query and those that it asks again are ${MAX_RETRY_CHAIN} at most`);
      const stored = await this.#options.records.get(org, id);
      if (stored === undefined)
        throw new AppError('not_found', `query ${id}, which this one asks again, is not kept any more`);
      earlier.unshift(stored.record);
    }
    return earlier;
  }

  start(): void {
    this.#spare = this.#spawn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const end of this.#ends) end.abort(STOPPING);
    await Promise.all([...this.#threads].map((thread) => thread.stop(STOPPING)));
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

  async #run(
    thread: ReduceThread,
    { query, earlier, sql, parameters, signal, started }: ReduceRun,
  ): Promise<ReduceReply> {
    const { heapBytes } = this.#options.limits;
    const opened = await thread.send({ t: 'open', shape: { form: query.mode, columns: query.columns }, heapBytes });
    if (opened.t !== 'taken') return opened;
    started();
    for (const [index, record] of [...earlier, query].entries()) {
      for await (const { event } of readWholeResults(this.#options.streams, record, { signal })) {
        const request = this.#requestFor(event, index);
        if (request === undefined) continue;
        const reply = await thread.send(request);
        if (reply.t !== 'taken') return reply;
      }
    }
    return thread.send({ t: 'run', sql, parameters, limits: { ...STATEMENT_LIMITS, ms: this.#options.limits.ms } });
  }

  #requestFor(event: ResultEvent, query: number): ReduceRequest | undefined {
    if (event.t === 'groups') return { t: 'groups', query, block: event.groups, more: event.more === true };
    if (event.t !== 'rows') return undefined;
    const names: (readonly [number, string, string])[] = [];
    for (const { num } of readAnswerBlock(event.answers)) {
      const endpoint = this.#options.directory.byNum(num);
      if (endpoint !== undefined) names.push([num, endpoint.agentId, endpoint.facts.host]);
    }
    return { t: 'answers', block: event.answers, names };
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
