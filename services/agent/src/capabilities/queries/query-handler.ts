import { CAPABILITY, clipMessage, encodeBody, FRAME, LIMITS, type QueryBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { Capability } from '../../contract/capability.js';
import type { SendResult, Session } from '../../contract/session.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import type { QueryFailure } from '../../worker/messages.js';
import { hangs, WorkerPool, type WorkerPoolOptions } from '../../worker/worker-pool.js';
import { AnswerSender } from './answer-sender.js';
import type { QueryDenylist } from './query-denylist.js';
import { type Answer, type JobHandle, type JobResult, QueryRunner, type QueryRunnerOptions } from './query-runner.js';

export interface QueryHandlerOptions {
  readonly runner: QueryRunner;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OpenQueriesOptions extends Pick<QueryRunnerOptions, 'maxBudget' | 'traffic'> {
  readonly denylist: QueryDenylist;
  readonly processes: WorkerPoolOptions['processes'];
  readonly workers: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 *  QUERY ─▶ waiting (queued or running) ─answer─▶ sending ─FINAL─▶ gone
 *               │ failure, deadline                  │ deadline
 *               └────────────── QUERY_END ◀──────────┘          CANCEL, end of the session ─▶ gone, nothing is sent
 */
interface Query {
  readonly ref: number;
  readonly body: QueryBody;
  credit: number;
  job: JobHandle | undefined;
  answer: Answer | undefined;
  sender: AnswerSender | undefined;
  deadline: Timer | undefined;
}

/** Answers the queries of the active session. They end with the session; the next gateway sends them again. */
export class QueryHandler implements Capability {
  readonly frames: FrameHandlers = {
    query: (body, ref) => this.#onQuery(ref, body),
    cancel: (_body, ref) => this.#onCancel(ref),
    credit: ({ bytes }, ref) => this.#onCredit(ref, bytes),
    unreadableQuery: (body, ref) => this.#onUnreadable(ref, body),
  };
  readonly #options: QueryHandlerOptions;
  /** By `ref`, the handle that the gateway gave the query. */
  readonly #queries = new Map<number, Query>();
  #session: Session | undefined;

  constructor(options: QueryHandlerOptions) {
    this.#options = options;
  }

  static open({ processes, workers, clock, logger, ...options }: OpenQueriesOptions): QueryHandler {
    const createPool = (onRoom: () => void): WorkerPool =>
      new WorkerPool({ processes, workers, clock, logger, onRoom });
    return new QueryHandler({ runner: new QueryRunner({ ...options, createPool }), clock, logger });
  }

  get size(): number {
    return this.#queries.size;
  }

  flags(): readonly string[] {
    return [CAPABILITY.query];
  }

  ready(session: Session): void {
    this.#session = session;
  }

  writable(): void {
    for (const query of this.#queries.values()) this.#pump(query);
  }

  ended(): void {
    for (const query of this.#queries.values()) this.#drop(query);
    this.#session = undefined;
  }

  /** Cancels all queries. */
  stop(): void {
    this.#options.runner.stop();
  }

  #onQuery(ref: number, body: QueryBody): void {
    const { clock, logger, runner } = this.#options;
    if (this.#queries.has(ref)) {
      logger.warn('gateway used a query handle twice', { ref, query: body.id });
      return;
    }
    const query: Query = {
      ref,
      body,
      credit: body.credit,
      job: undefined,
      answer: undefined,
      sender: undefined,
      deadline: undefined,
    };
    const taken = runner.submit(body, (result) => this.#onResult(query, result));
    if ('outcome' in taken) return this.#sendEnd(ref, body.id, taken);
    query.job = taken;
    query.deadline = clock.setTimeout(
      () => this.#onDeadline(query),
      Math.min(body.remainingMs, LIMITS.queryTimeoutMaxMs),
    );
    this.#queries.set(ref, query);
    logger.debug('query accepted', { query: body.id });
  }

  #onCancel(ref: number): void {
    const query = this.#queries.get(ref);
    if (query !== undefined) this.#drop(query);
  }

  #onCredit(ref: number, bytes: number): void {
    const query = this.#queries.get(ref);
    if (query === undefined) return;
    if (query.sender === undefined) query.credit += bytes;
    else {
      query.sender.addCredit(bytes);
      this.#pump(query);
    }
  }

  /** Ending the session instead would bring the same question again, in the next one. */
  #onUnreadable(ref: number, { code, fault }: { readonly code: string; readonly fault: string }): void {
    const query = this.#queries.get(ref);
    if (query !== undefined) this.#drop(query);
    const message = clipMessage(`this agent does not understand what the gateway asks: ${fault}`);
    this.#sendEnd(ref, query?.body.id ?? '', { outcome: 'error', code, message });
  }

  #onResult(query: Query, result: JobResult): void {
    query.job = undefined;
    if (!result.ok) {
      this.#drop(query);
      this.#sendEnd(query.ref, query.body.id, result.failure);
      return;
    }
    query.answer = result.answer;
    const { warnings } = result.answer;
    if (query.body.warnings === true && warnings.length > 0)
      this.#send(FRAME.warnings, query.ref, encodeBody('warnings', { warnings: [...warnings] }), { urgent: true });
    query.sender = new AnswerSender({
      answer: result.answer,
      columns: query.body.columns.length,
      credit: query.credit,
      send: (rows, flags) => this.#send(FRAME.rows, query.ref, rows, { flags }),
    });
    this.#pump(query);
  }

  #onDeadline(query: Query): void {
    const where = query.sender === undefined ? 'before its answer was whole' : 'before its answer was sent';
    const path = this.#drop(query);
    const message = `the query's time was over ${where}`;
    const failure: QueryFailure =
      path === undefined
        ? { outcome: 'timed_out', code: 'deadline', message }
        : { outcome: 'over_budget', code: 'hung_file_system', message: clipMessage(`${message}: ${hangs(path)}`) };
    this.#sendEnd(query.ref, query.body.id, failure);
  }

  #pump(query: Query): void {
    if (query.sender?.pump() === true) this.#drop(query);
  }

  /** Returns the path at which its statement hangs, if it does. */
  #drop(query: Query): string | undefined {
    this.#queries.delete(query.ref);
    this.#options.clock.clear(query.deadline);
    query.answer?.release();
    return query.job?.cancel();
  }

  #sendEnd(ref: number, id: string, failure: QueryFailure): void {
    this.#options.logger.info('query ended without an answer', {
      query: id,
      outcome: failure.outcome,
      code: failure.code,
    });
    this.#send(FRAME.queryEnd, ref, encodeBody('queryEnd', failure), { urgent: true });
  }

  #send(...frame: Parameters<Session['send']>): SendResult {
    return this.#session?.send(...frame) ?? 'closed';
  }
}
