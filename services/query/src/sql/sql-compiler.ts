import { Worker } from 'node:worker_threads';
import { AppError, columnsFault, type ErrorCode } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { CompiledSelect, CompileFailure, CompileFailureCode, ReduceShape } from '@muster/tables';

export interface CompileRequest {
  readonly id: number;
  readonly sql: string;
  /** Present for a reduce statement: what it may read. */
  readonly reduceOver?: ReduceShape;
}

export interface CompileReply {
  readonly id: number;
  readonly result?: CompiledSelect | CompileFailure;
  readonly fault?: string;
}

export interface CompiledSql {
  readonly columns: readonly string[];
  readonly tables: readonly string[];
}

const TIMEOUT_MS = 5_000;
/** Until a thread has replied for the first time. It loads its engine, which takes long on a busy machine. */
const LOADING_TIMEOUT_MS = 60_000;

const CODES: Readonly<Record<CompileFailureCode, ErrorCode>> = {
  sql_error: 'sql_error',
  not_select: 'sql_not_select',
  many_statements: 'sql_many_statements',
  missing_constraint: 'sql_missing_constraint',
  forbidden: 'sql_forbidden',
  too_long: 'sql_too_long',
};

interface Waiting {
  readonly resolve: (reply: CompileReply) => void;
  readonly timer: Timer;
}

/**
 * Compiles statements against the schema, in a worker thread, before anything is sent. A thread that hangs or dies is replaced;
 * requests that it had not answered fail with `internal`.
 */
export class SqlCompiler {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #hasLoaded = false;
  #nextId = 0;
  #stopped = false;

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Resolves when the thread has loaded its engine and compiled something. */
  async start(): Promise<void> {
    await this.compile('SELECT 1');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#replace('stopped');
  }

  /**
   * Whatever it returns, agents can be asked: the bounds of the wire are checked here.
   * @throws AppError `sql_*` with `offset`, `line` and `column` in its details where there is one place to point at.
   */
  compile(sql: string): Promise<CompiledSql> {
    return this.#compile({ sql }, 'sql');
  }

  /** As `compile`, for a statement over the table `rows` of a query of this shape. */
  compileReduce(sql: string, reduceOver: ReduceShape): Promise<CompiledSql> {
    return this.#compile({ sql, reduceOver }, 'reduce');
  }

  async #compile(request: Omit<CompileRequest, 'id'>, field: 'sql' | 'reduce'): Promise<CompiledSql> {
    const { result, fault } = await this.#send(request);
    if (result === undefined) throw new AppError('internal', 'the statement could not be checked', { cause: fault });
    if (!result.ok) throw compileProblem(result, field);
    const columns = result.columns.map(({ name }) => name);
    const wide = columnsFault(columns);
    if (wide !== undefined) throw new AppError('sql_too_wide', wide, { details: { field } });
    return { columns, tables: result.tables };
  }

  #send(request: Omit<CompileRequest, 'id'>): Promise<CompileReply> {
    if (this.#stopped) throw new AppError('draining', 'the query service is stopping');
    const id = (this.#nextId += 1);
    this.#worker ??= this.#spawn();
    const worker = this.#worker;
    return new Promise((resolve) => {
      const timeoutMs = this.#hasLoaded ? TIMEOUT_MS : LOADING_TIMEOUT_MS;
      const timer = this.#clock.setTimeout(() => void this.#replace(`no reply within ${timeoutMs} ms`), timeoutMs);
      this.#waiting.set(id, { resolve, timer });
      worker.postMessage({ ...request, id } satisfies CompileRequest);
    });
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./compile-worker.js', import.meta.url), { name: 'sql-compiler' });
    this.#hasLoaded = false;
    worker.on('message', (reply: CompileReply) => {
      this.#hasLoaded ||= worker === this.#worker;
      this.#settle(reply);
    });
    worker.on('error', (error) => {
      this.#logger.error('sql compiler died', { err: error });
      void this.#replace('the compiler died');
    });
    return worker;
  }

  #settle(reply: CompileReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.id);
    this.#clock.clear(waiting.timer);
    waiting.resolve(reply);
  }

  async #replace(fault: string): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#settle({ id, fault });
    await worker?.terminate();
  }
}

/** The error for a statement that does not compile; `field` names the statement. */
export function compileProblem(failure: CompileFailure, field: 'sql' | 'reduce'): AppError {
  return new AppError(CODES[failure.code], failure.message, { details: { field, ...failure.position } });
}
