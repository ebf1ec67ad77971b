import type { SqlParameter } from '@muster/protocol';
import type { TableSpec } from '../schema/table-spec.js';
import type { Denial } from './authorizer.js';
import { TableUnavailable } from './collect.js';
import type { HookHost } from './hooks.js';
import { bindParameters } from './bind-parameters.js';
import { withPushableLikes } from './like-escape.js';
import { limitDatabase, type LimitName, type StatementLimits } from './limits.js';
import { StatementTimeout } from './request.js';
import type { RowEncoder } from './row-encoder.js';
import type { SqliteRuntime } from './runtime.js';
import { RESULT, type SqliteModule } from './sqlite-module.js';
import type { CompileFailure } from './sql-text.js';
import { type PreparedSelect, prepareSelect } from './statement.js';

export interface OverBudget {
  readonly ok: false;
  readonly code: 'over_budget';
  readonly limit: LimitName;
  readonly message: string;
  /** With `keepRows`: whole rows that were delivered before. */
  readonly kept?: number;
}

/** The statement ended before its last row. Rows delivered so far are not a valid answer. */
export type RunFailure =
  | OverBudget
  | { readonly ok: false; readonly code: 'failed'; readonly message: string }
  | { readonly ok: false; readonly code: 'unavailable'; readonly message: string }
  | { readonly ok: false; readonly code: 'stopped'; readonly message: string };

export type RunResult = { readonly ok: true; readonly rows: number; readonly bytes: number } | RunFailure;

export interface RunOptions {
  readonly limits: StatementLimits;
  /** Chunks are passed to `onRows` at this size, and at the end. */
  readonly chunkBytes: number;
  /** Gets encoded rows (a CBOR sequence) and their count. Returning `false` stops the statement. */
  readonly onRows: (rows: Uint8Array<ArrayBuffer>, count: number) => boolean | void;
  /** When time, rows or bytes are used up, the rows until then are delivered, and counted in the failure. */
  readonly keepRows?: boolean;
}

export interface DatabaseOptions {
  /** Whether a statement may read the table. */
  readonly knowsTable: (name: string) => boolean;
  readonly valueBytes: number;
  readonly heapBytes: number;
  /** Called while a statement runs, each time the clock is looked at: about every 10 µs, and at each row that a table gathers. */
  readonly onLook?: (() => void) | undefined;
}

/**
 * An in-memory database for one read-only SELECT at a time, within limits. The authorizer and the deadline are active
 * while that statement is compiled and run, and inactive for internal statements.
 */
export class GuardedDatabase implements HookHost {
  readonly db: number;
  readonly #runtime: SqliteRuntime;
  readonly #options: DatabaseOptions;
  #denial: Denial | undefined;
  #missing: TableSpec | undefined;
  #failure: unknown;
  #deadline = Infinity;
  #timedOut = false;

  constructor(runtime: SqliteRuntime, options: DatabaseOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.db = runtime.sqlite.openMemory();
    limitDatabase(runtime.sqlite, this.db, options);
    acceptDoubleQuotedStrings(runtime.sqlite, this.db);
    runtime.functions.register(this.db);
  }

  close(): void {
    this.#runtime.sqlite.c.sqlite3_close_v2(this.db);
  }

  knowsTable(name: string): boolean {
    return this.#options.knowsTable(name);
  }

  recordDenial(denial: Denial): void {
    this.#denial ??= denial;
  }

  recordMissingConstraint(spec: TableSpec): void {
    this.#missing = spec;
  }

  recordFailure(error: unknown): void {
    this.#failure ??= error;
  }

  expired(): boolean {
    this.#options.onLook?.();
    if (this.#deadline !== Infinity && performance.now() > this.#deadline) this.#timedOut = true;
    return this.#timedOut;
  }

  remainingMs(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /**
   * Compiles `sql`, binds the parameters that it has, passes the statement to `use`, and always frees it. The deadline includes the
   * compilation.
   */
  withSelect<T>(
    sql: string,
    ms: number,
    use: (stmt: number) => T,
    parameters: readonly SqlParameter[] = [],
  ): T | CompileFailure {
    const { sqlite, hooks } = this.#runtime;
    this.#begin(ms);
    const guard = hooks.guard(this.db, this);
    try {
      const prepared = this.#prepare(sql);
      if (!prepared.ok) return prepared;
      try {
        return bindParameters(sqlite, prepared.stmt, sql, parameters) ?? use(prepared.stmt);
      } finally {
        sqlite.c.sqlite3_finalize(prepared.stmt);
      }
    } finally {
      hooks.release(this.db, guard);
    }
  }

  /** A statement that lacks a constraint is tried once more with what its patterns offer. */
  #prepare(sql: string): PreparedSelect | CompileFailure {
    const record = {
      denial: () => this.#denial,
      missingConstraint: () => this.#missing && missingConstraintMessage(this.#missing),
    };
    const first = prepareSelect(this.#runtime.sqlite, this.db, sql, record);
    if (first.ok || first.code !== 'missing_constraint') return first;
    const pushable = withPushableLikes(sql);
    if (pushable === sql) return first;
    this.#missing = undefined;
    const second = prepareSelect(this.#runtime.sqlite, this.db, pushable, record);
    return second.ok ? second : first;
  }

  #begin(ms: number): void {
    this.#denial = undefined;
    this.#missing = undefined;
    this.#failure = undefined;
    this.#timedOut = false;
    this.#deadline = performance.now() + ms;
  }

  /** Runs a statement to its end and delivers its rows in chunks. */
  run(stmt: number, encoder: RowEncoder, options: RunOptions): RunResult {
    const { c } = this.#runtime.sqlite;
    const { limits } = options;
    const columns = c.sqlite3_column_count(stmt);
    let rows = 0;
    let bytes = 0;
    let inChunk = 0;
    const keep = (failure: OverBudget): RunFailure => {
      if (options.keepRows !== true) return failure;
      if (inChunk > 0 && options.onRows(encoder.take(), inChunk) === false) return STOPPED;
      return { ...failure, kept: rows };
    };
    for (;;) {
      const code = c.sqlite3_step(stmt);
      if (code === RESULT.done) break;
      if (code !== RESULT.row) {
        const failure = this.#explain(code, limits);
        return failure.code === 'over_budget' && failure.limit === 'time' ? keep(failure) : failure;
      }
      if (rows === limits.rows) return keep(overBudget('rows', `the answer has more than ${limits.rows} rows`));
      const before = encoder.length;
      encoder.row(stmt, columns);
      const size = encoder.length - before;
      if (size > limits.rowBytes) return overBudget('row_bytes', `a row has more than ${limits.rowBytes} bytes`);
      if (bytes + size > limits.bytes) {
        encoder.truncate(before);
        return keep(overBudget('bytes', `the answer has more than ${limits.bytes} bytes`));
      }
      rows += 1;
      inChunk += 1;
      bytes += size;
      if (encoder.length < options.chunkBytes) continue;
      if (options.onRows(encoder.take(), inChunk) === false) return STOPPED;
      inChunk = 0;
    }
    if (inChunk > 0 && options.onRows(encoder.take(), inChunk) === false) return STOPPED;
    return { ok: true, rows, bytes };
  }

  #explain(code: number, limits: StatementLimits): RunFailure {
    const { sqlite } = this.#runtime;
    if (this.#timedOut || this.#failure instanceof StatementTimeout || code === RESULT.interrupt) {
      return overBudget('time', `the statement ran longer than ${limits.ms} ms`);
    }
    if (code === RESULT.nomem) return overBudget('memory', 'the statement needs more memory than it may have');
    if (this.#failure !== undefined) {
      const code = TableUnavailable.is(this.#failure) ? 'unavailable' : 'failed';
      return { ok: false, code, message: errorMessage(this.#failure) };
    }
    return { ok: false, code: 'failed', message: sqlite.text(sqlite.c.sqlite3_errmsg(this.db)) };
  }
}

const DQS_DML = 1013;

/** A double-quoted word that is no column is a text, as osquery and many public queries have it. */
function acceptDoubleQuotedStrings(sqlite: SqliteModule, db: number): void {
  const code = sqlite.c.sqlite3__wasm_db_config_ip(db, DQS_DML, 1, 0);
  if (code !== RESULT.ok) throw new Error(`SQLite does not take double-quoted strings: code ${code}`);
}

const STOPPED: RunFailure = { ok: false, code: 'stopped', message: 'the reader wants no more rows' };

function overBudget(limit: LimitName, message: string): OverBudget {
  return { ok: false, code: 'over_budget', limit, message };
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function missingConstraintMessage(spec: TableSpec): string {
  const columns = spec.requiresOneOf ?? [];
  const examples = columns.map((column) => {
    const like = spec.columns.find((one) => one.name === column)?.pushdown?.includes('like') === true;
    return like ? `${column} = … or LIKE …` : `${column} = …`;
  });
  return `table ${spec.name} needs a constraint in WHERE: ${examples.join(', or ')}`;
}
