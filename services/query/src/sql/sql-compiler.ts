import { Worker } from 'node:worker_threads';
import { AppError, columnsFault, type ErrorCode, type SqlParameter } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { CompiledSelect, CompileFailure, CompileFailureCode, ReduceShape } from '@muster/tables';

export interface CompileRequest {
  readonly id: number;
  readonly sql: string;
  readonly parameters: readonly SqlParameter[];
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
  /** The names of its parameters. */
  readonly parameters: readonly string[];
}

export interface CompileTerms {
  /** Whose statement it is. */
  readonly owner?: string;
  /** Values for its `:name`. */
  readonly parameters?: readonly SqlParameter[];
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

/** Statements of one operator that are being checked or wait for it. */
const PER_OPERATOR = 20;

interface Waiting {
  readonly request: CompileRequest;
  readonly owner: string;
  readonly resolve: (reply: CompileReply) => void;
}

/**
 * Compiles statements against the schema, one at a time in a worker thread, before anything is sent. A thread that hangs or dies is
 * replaced; the statement that it had fails with `internal`. How many statements of one operator wait is bounded, so that nobody's
 * statements hold up those of all others.
 */
export class SqlCompiler {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #queue: Waiting[] = [];
  #current: (Waiting & { readonly timer: Timer }) | undefined;
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
   * @throws AppError `sql_*` with `offset`, `line` and `column` in its details where there is one place to point at; `too_many_queries`.
   */
  compile(sql: string, { owner = '', parameters = [] }: CompileTerms = {}): Promise<CompiledSql> {
    return this.#compile({ sql, parameters }, 'sql', owner);
  }

  /** As `compile`, for a statement over the table `rows` of a query of this shape. */
  compileReduce(
    sql: string,
    reduceOver: ReduceShape,
    { owner = '', parameters = [] }: CompileTerms = {},
  ): Promise<CompiledSql> {
    return this.#compile({ sql, parameters, reduceOver }, 'reduce', owner);
  }

  async #compile(request: Omit<CompileRequest, 'id'>, field: 'sql' | 'reduce', owner: string): Promise<CompiledSql> {
    const { result, fault } = await this.#send(request, owner);
    if (result === undefined) throw new AppError('internal', 'the statement could not be checked', { cause: fault });
    if (!result.ok) throw compileProblem(result, field);
    const columns = result.columns.map(({ name }) => name);
    const wide = columnsFault(columns);
    if (wide !== undefined) throw new AppError('sql_too_wide', wide, { details: { field } });
    return { columns, tables: result.tables, parameters: result.parameters };
  }

  #send(request: Omit<CompileRequest, 'id'>, owner: string): Promise<CompileReply> {
    if (this.#stopped) throw new AppError('draining', 'the query service is stopping');
    const all = this.#current === undefined ? this.#queue : [this.#current, ...this.#queue];
    if (all.filter((waiting) => waiting.owner === owner).length >= PER_OPERATOR) {
      throw new AppError(
        'too_many_queries',
        `${PER_OPERATOR} of your statements are being checked; try again in a moment`,
        {
          details: { scope: 'operator', limit: PER_OPERATOR, retryAfterMs: 1_000 },
        },
      );
    }
    const id = (this.#nextId += 1);
    return new Promise((resolve) => {
      this.#queue.push({ request: { ...request, id }, owner, resolve });
      this.#next();
    });
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const waiting = this.#queue.shift();
    if (waiting === undefined) return;
    this.#worker ??= this.#spawn();
    const timeoutMs = this.#hasLoaded ? TIMEOUT_MS : LOADING_TIMEOUT_MS;
    const timer = this.#clock.setTimeout(() => void this.#replace(`no reply within ${timeoutMs} ms`), timeoutMs);
    this.#current = { ...waiting, timer };
    this.#worker.postMessage(waiting.request);
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./compile-worker.js', import.meta.url), { name: 'sql-compiler' });
    this.#hasLoaded = false;
    worker.on('message', (reply: CompileReply) => {
      if (worker !== this.#worker) return;
      this.#hasLoaded = true;
      this.#settle(reply);
    });
    worker.on('error', (error) => {
      this.#logger.error('sql compiler died', { err: error });
      if (worker === this.#worker) void this.#replace('the compiler died');
    });
    return worker;
  }

  #settle(reply: CompileReply): void {
    const current = this.#current;
    if (current?.request.id !== reply.id) return;
    this.#current = undefined;
    this.#clock.clear(current.timer);
    current.resolve(reply);
    this.#next();
  }

  async #replace(fault: string): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    const waiting = this.#stopped ? this.#queue.splice(0) : [];
    if (this.#current !== undefined) this.#settle({ id: this.#current.request.id, fault });
    for (const { request, resolve } of waiting) resolve({ id: request.id, fault });
    await worker?.terminate();
  }
}

/** The error for a statement that does not compile; `field` names the statement. */
export function compileProblem(failure: CompileFailure, field: 'sql' | 'reduce'): AppError {
  return new AppError(CODES[failure.code], failure.message, { details: { field, ...failure.position } });
}
