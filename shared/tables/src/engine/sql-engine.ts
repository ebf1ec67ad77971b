import type { SqlParameter } from '@muster/protocol';
import { LIMITS } from '@muster/protocol/limits';
import type { TableSpec } from '../schema/table-spec.js';
import type { AnswerWarning } from './answer-warnings.js';
import { parameterNames } from './bind-parameters.js';
import type { TableProvider } from './collect.js';
import { GuardedDatabase, type RunFailure, type RunOptions, type RunResult } from './guarded-database.js';
import { DEFAULT_LIMITS, type StatementLimits } from './limits.js';
import { StatementScope } from './request.js';
import { RowEncoder } from './row-encoder.js';
import { loadRuntime, type SqliteRuntime } from './runtime.js';
import type { ScanPlan } from './scan-plan.js';
import type { CompileFailure } from './sql-text.js';
import { type ResultColumn, resultColumns } from './statement.js';
import type { TableHost } from './virtual-tables.js';

export interface CompiledSelect {
  readonly ok: true;
  readonly columns: readonly ResultColumn[];
  /** Catalogue tables that the statement reads, sorted. */
  readonly tables: readonly string[];
  /** The names of its parameters, without the colon. */
  readonly parameters: readonly string[];
}

export interface ExecuteOptions {
  /** Values for the `:name` of the statement. */
  readonly parameters?: readonly SqlParameter[];
  /** Called once before any row. */
  readonly onColumns?: (columns: readonly ResultColumn[]) => void;
  readonly onRows: RunOptions['onRows'];
  readonly limits?: Partial<StatementLimits>;
  readonly chunkBytes?: number;
  readonly keepRows?: boolean;
}

export type ExecuteResult =
  | (RunFailure & { readonly warnings?: readonly AnswerWarning[] })
  | (Extract<RunResult, { ok: true }> & {
      /** What the answer lacks; empty when it is whole. */
      readonly warnings: readonly AnswerWarning[];
    })
  | CompileFailure
  /** The statement is valid, but this machine lacks a table that it reads. */
  | {
      readonly ok: false;
      readonly code: 'unsupported_table';
      readonly tables: readonly string[];
      readonly message: string;
    };

export interface SqlEngineOptions {
  /** Tables that statements may read. */
  readonly tables: readonly TableSpec[];
  /** Source of rows. Without it statements can only be compiled. */
  readonly provider?: TableProvider;
  /** Used in the message about missing tables. */
  readonly platform?: string;
  /** Heap of SQLite in this thread in bytes, default 48 MiB. It can only be lowered later. */
  readonly heapBytes?: number;
  /** Called often while a statement runs. It may block, on the time of the statement, and must be cheap. */
  readonly onLook?: () => void;
}

/** Fits the largest value of a row, and intermediate values of functions. */
const VALUE_BYTES = 2 * LIMITS.rowBytes;
const HEAP_BYTES = 48 * 1024 * 1024;
/** Compiling the longest statement takes a fraction of it. */
const COMPILE_MS = 2_000;

/**
 * Runs one SELECT at a time on virtual tables. Synchronous: an agent runs it in a worker thread that it can terminate.
 * The query service uses it only to compile.
 */
export class SqlEngine implements TableHost {
  readonly provider: TableProvider | undefined;
  readonly plans: ScanPlan[] = [];
  scope: StatementScope;
  readonly #runtime: SqliteRuntime;
  readonly #database: GuardedDatabase;
  readonly #moduleIds: readonly number[];
  readonly #platform: string;
  readonly #tables = new Set<string>();

  constructor(runtime: SqliteRuntime, options: SqlEngineOptions) {
    this.#runtime = runtime;
    this.#platform = options.platform ?? 'this machine';
    this.provider = options.provider;
    const names = new Set(options.tables.map((table) => table.name));
    this.#database = new GuardedDatabase(runtime, {
      knowsTable: (name) => names.has(name),
      valueBytes: VALUE_BYTES,
      heapBytes: options.heapBytes ?? HEAP_BYTES,
      onLook: options.onLook,
    });
    this.scope = new StatementScope(this.#database, DEFAULT_LIMITS.bytes);
    this.#moduleIds = options.tables.map((table) => runtime.tables.register(this.#database.db, table, this));
  }

  recordTable(spec: TableSpec): void {
    this.#tables.add(spec.name);
  }

  recordMissingConstraint(spec: TableSpec): void {
    this.#database.recordMissingConstraint(spec);
  }

  recordFailure(error: unknown): void {
    this.#database.recordFailure(error);
  }

  /**
   * Checks that `sql` is one read-only SELECT on known tables with the required constraints, whose parameters have
   * values. Runs nothing.
   */
  compile(sql: string, parameters: readonly SqlParameter[] = []): CompiledSelect | CompileFailure {
    this.#begin();
    const { sqlite } = this.#runtime;
    const describe = (stmt: number): CompiledSelect => ({
      ok: true,
      columns: resultColumns(sqlite, stmt),
      tables: [...this.#tables].sort(),
      parameters: parameterNames(sqlite, stmt),
    });
    return this.#database.withSelect(sql, COMPILE_MS, describe, parameters);
  }

  /** Compiles and runs `sql`. Errors of the statement and of collectors are results, not exceptions. */
  execute(sql: string, options: ExecuteOptions): ExecuteResult {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#begin(limits.bytes);
    const run = (stmt: number): ExecuteResult => {
      const missing = [...this.#tables].sort().filter((table) => this.provider?.has(table) !== true);
      if (missing.length > 0) return unsupported(missing, this.#platform);
      options.onColumns?.(resultColumns(this.#runtime.sqlite, stmt));
      const result = this.#database.run(stmt, new RowEncoder(this.#runtime.sqlite), {
        limits,
        chunkBytes: options.chunkBytes ?? LIMITS.chunkBytes,
        onRows: options.onRows,
        ...(options.keepRows === undefined ? {} : { keepRows: options.keepRows }),
      });
      const isAnswer = result.ok || (result.code === 'over_budget' && result.kept !== undefined);
      return isAnswer ? { ...result, warnings: this.scope.warnings.list() } : result;
    };
    return this.#database.withSelect(sql, limits.ms, run, options.parameters);
  }

  close(): void {
    this.#database.close();
    for (const id of this.#moduleIds) this.#runtime.tables.forget(id);
  }

  #begin(answerBytes = DEFAULT_LIMITS.bytes): void {
    this.plans.length = 0;
    this.#tables.clear();
    this.scope = new StatementScope(this.#database, answerBytes);
  }
}

/** Loads SQLite once per thread and opens an engine. */
export async function createSqlEngine(options: SqlEngineOptions): Promise<SqlEngine> {
  return new SqlEngine(await loadRuntime(), options);
}

function unsupported(tables: readonly string[], platform: string): ExecuteResult {
  const noun = tables.length === 1 ? 'table' : 'tables';
  const verb = tables.length === 1 ? 'does' : 'do';
  return {
    ok: false,
    code: 'unsupported_table',
    tables,
    message: `${noun} ${tables.join(', ')} ${verb} not exist on ${platform}`,
  };
}
