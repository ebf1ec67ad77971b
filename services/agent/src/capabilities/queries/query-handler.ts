import { CAPABILITY, clipMessage, encodeBody, FRAME, LIMITS, type PackTicket, type QueryBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { Capability } from '../../contract/capability.js';
import type { SendResult, Session } from '../../contract/session.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import type { QueryFailure } from '../../worker/messages.js';
import { LinuxLoad } from '../../worker/machine-load.js';
import { hangs, WorkerPool, type WorkerPoolOptions } from '../../worker/worker-pool.js';
import { AnswerSender } from './answer-sender.js';
import { PackRunner, type PackTrust, type ScanHandle } from './pack-runner.js';
import { PackStore } from './pack-store.js';
import type { QueryDenylist } from './query-denylist.js';
import {
  type Answer,
  type Job,
  type JobHandle,
  type JobResult,
  type Priority,
  QueryRunner,
  type QueryRunnerOptions,
} from './query-runner.js';

export interface QueryHandlerOptions {
  readonly runner: QueryRunner;
  /** Absent: this agent runs no packs. */
  readonly packs?: PackRunner;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OpenQueriesOptions extends Pick<
  QueryRunnerOptions,
  'maxBudget' | 'maxLowMs' | 'traffic' | 'about' | 'events'
> {
  readonly denylist: QueryDenylist;
  readonly processes: WorkerPoolOptions['processes'];
  readonly workers: number;
  /** The data directory, for the packs. */
  readonly folder: string;
  readonly trust: PackTrust;
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
  job: JobHandle | ScanHandle | undefined;
  scan: ScanHandle | undefined;
  answer: Answer | undefined;
  sender: AnswerSender | undefined;
  deadline: Timer | undefined;
  progress: Timer | undefined;
  /** Over Poll: when it last said how far it is (monotonic). */
  toldAtMs: number;
}

/** Answers the queries of the active session. They end with the session; the next gateway sends them again. */
export class QueryHandler implements Capability {
  readonly frames: FrameHandlers = {
    query: (body, ref) => this.#onQuery(ref, body),
    cancel: (_body, ref) => this.#onCancel(ref),
    pack: ({ checks }, ref) => this.#queries.get(ref)?.scan?.deliver(checks),
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

  static open({ processes, workers, folder, trust, clock, logger, ...options }: OpenQueriesOptions): QueryHandler {
    const load = process.platform === 'linux' ? { load: new LinuxLoad() } : {};
    const createPool = (kind: Priority, onRoom: () => void): WorkerPool =>
      new WorkerPool({ processes, workers: kind === 'low' ? 1 : workers, ...load, clock, logger, onRoom });
    const packs = new PackRunner({
      ...{ trust, processes, clock, logger, checkMs: options.maxBudget.ms, store: new PackStore({ folder, logger }) },
      ...(options.about === undefined ? {} : { about: options.about }),
      ...(options.traffic === undefined ? {} : { traffic: options.traffic }),
      ...(options.events === undefined ? {} : { events: options.events }),
    });
    return new QueryHandler({ runner: new QueryRunner({ ...options, createPool, clock }), packs, clock, logger });
  }

  get size(): number {
    return this.#queries.size;
  }

  flags(): readonly string[] {
    const packs = this.#options.packs === undefined ? [] : [CAPABILITY.packs];
    return [CAPABILITY.query, CAPABILITY.parameters, ...packs];
  }

  ready(session: Session): void {
    this.#session = session;
  }

  writable(): void {
    for (const query of this.#queries.values()) this.#pump(query);
  }

  polling(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const query of this.#queries.values()) {
      if (nowMs - query.toldAtMs >= (query.body.progressMs ?? Infinity)) this.#tellProgress(query);
    }
  }

  ended(): void {
    for (const query of this.#queries.values()) this.#drop(query);
    this.#session = undefined;
  }

  /** Cancels all queries. */
  stop(): void {
    this.#options.runner.stop();
    this.#options.packs?.stop();
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
      scan: undefined,
      answer: undefined,
      sender: undefined,
      deadline: undefined,
      progress: undefined,
      toldAtMs: Number.NEGATIVE_INFINITY,
    };
    const taken =
      body.pack === undefined
        ? runner.submit(jobOf(body, clock), (result) => this.#onResult(query, result))
        : this.#submitScan(query, body.pack);
    if ('outcome' in taken) return this.#sendEnd(ref, body.id, taken);
    query.job = taken;
    if (isScan(taken)) query.scan = taken;
    query.deadline = clock.setTimeout(
      () => this.#onDeadline(query),
      Math.min(body.remainingMs, LIMITS.queryTimeoutMaxMs),
    );
    // Over Poll, a frame would cause a request.
    if (body.progressMs !== undefined && this.#session?.mode === 'live')
      query.progress = clock.setInterval(() => this.#tellProgress(query), body.progressMs);
    this.#queries.set(ref, query);
    logger.debug('query accepted', { query: body.id });
  }

  #submitScan(query: Query, ticket: PackTicket): ScanHandle | QueryFailure {
    const { packs } = this.#options;
    if (packs === undefined) return { outcome: 'refused', code: 'no_packs', message: 'this agent runs no packs' };
    return packs.submit({
      ...{ ticket, budgetMs: query.body.budget.ms },
      onWanted: () => this.#send(FRAME.packWanted, query.ref, encodeBody('packWanted', {}), { urgent: true }),
      onResult: (result) => this.#onResult(query, result),
    });
  }

  /** While it works, for as long as `progressMs` at least: what it has not begun, or what it sends, needs no word. */
  #tellProgress(query: Query): void {
    const { ref, job, sender, body } = query;
    const progress = sender === undefined && job !== undefined && !isScan(job) ? job.progress() : undefined;
    if (progress === undefined || progress.spentMs < (body.progressMs ?? Infinity)) return;
    query.toldAtMs = this.#options.clock.monotonic();
    this.#send(FRAME.progress, ref, encodeBody('progress', progress), { urgent: true });
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
    this.#options.clock.clear(query.progress);
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
    this.#options.clock.clear(query.progress);
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

/** Rows of a search that was not finished need the warning that says so. */
function jobOf(body: QueryBody, clock: Clock): Job {
  const { priority, ...budget } = body.budget;
  const untilMs = clock.monotonic() + body.remainingMs;
  return { ...body, untilMs, budget: body.warnings === true ? { ...budget, priority } : budget };
}

function isScan(handle: JobHandle | ScanHandle): handle is ScanHandle {
  return 'deliver' in handle;
}
