import { encodeBody, FRAME, LIMITS, type QueryBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { SessionConnection } from '../../contract/session-connection.js';
import type { SessionWork } from '../../contract/session-work.js';
import type { QueryFailure } from '../../worker/messages.js';
import { AnswerSender } from './answer-sender.js';
import type { Answer, JobHandle, JobResult, QueryRunner } from './query-runner.js';

export interface SessionQueriesOptions {
  readonly connection: Pick<SessionConnection, 'send'>;
  readonly runner: QueryRunner;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 *  QUERY ─▶ waiting (queued or running) ─answer─▶ sending ─FINAL─▶ gone
 *               │ failure, deadline                  │ deadline
 *               └────────────── QUERY_END ◀──────────┘          CANCEL, end of the session ─▶ gone, without a word
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

/** The queries of one session, by the handles (`ref`) that its gateway gave them. They end with it: the next gateway asks anew. */
export class SessionQueries implements SessionWork {
  readonly #options: SessionQueriesOptions;
  readonly #queries = new Map<number, Query>();

  constructor(options: SessionQueriesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#queries.size;
  }

  onQuery(ref: number, body: QueryBody): void {
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

  onCancel(ref: number): void {
    const query = this.#queries.get(ref);
    if (query !== undefined) this.#drop(query);
  }

  onCredit(ref: number, bytes: number): void {
    const query = this.#queries.get(ref);
    if (query === undefined) return;
    if (query.sender === undefined) query.credit += bytes;
    else {
      query.sender.addCredit(bytes);
      this.#pump(query);
    }
  }

  onWritable(): void {
    for (const query of [...this.#queries.values()]) this.#pump(query);
  }

  end(): void {
    for (const query of [...this.#queries.values()]) this.#drop(query);
  }

  #onResult(query: Query, result: JobResult): void {
    query.job = undefined;
    if (!result.ok) {
      this.#drop(query);
      this.#sendEnd(query.ref, query.body.id, result.failure);
      return;
    }
    query.answer = result.answer;
    query.sender = new AnswerSender({
      answer: result.answer,
      columns: query.body.columns.length,
      credit: query.credit,
      send: (rows, flags) => this.#options.connection.send(FRAME.rows, query.ref, rows, { flags }),
    });
    this.#pump(query);
  }

  #onDeadline(query: Query): void {
    const where = query.sender === undefined ? 'before its answer was whole' : 'before its answer was sent';
    this.#drop(query);
    const message = `the query's time was over ${where}`;
    this.#sendEnd(query.ref, query.body.id, { outcome: 'timed_out', code: 'deadline', message });
  }

  #pump(query: Query): void {
    if (query.sender?.pump() === true) this.#drop(query);
  }

  #drop(query: Query): void {
    this.#queries.delete(query.ref);
    this.#options.clock.clear(query.deadline);
    query.job?.cancel();
    query.answer?.release();
  }

  #sendEnd(ref: number, id: string, failure: QueryFailure): void {
    this.#options.logger.info('query ended without an answer', {
      query: id,
      outcome: failure.outcome,
      code: failure.code,
    });
    this.#options.connection.send(FRAME.queryEnd, ref, encodeBody('queryEnd', failure), { urgent: true });
  }
}
