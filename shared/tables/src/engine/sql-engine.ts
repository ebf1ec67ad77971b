import { LIMITS } from '@muster/protocol/limits';
import type { TableSpec } from '../schema/table-spec.js';
import type { TableProvider } from './collect.js';
import { GuardedDatabase, type RunOptions, type RunResult } from './guarded-database.js';
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
  /** Names of the catalogue's tables that the statement reads, sorted. */
  readonly tables: readonly string[];
}

export interface ExecuteOptions {
  /** Called once before any row. */
  readonly onColumns?: (columns: readonly ResultColumn[]) => void;
  readonly onRows: RunOptions['onRows'];
  readonly limits?: Partial<StatementLimits>;
  readonly chunkBytes?: number;
}

export type ExecuteResult =
  | RunResult
  | CompileFailure
  /** The statement is right, and this machine lacks a table that it reads. */
  | {
      readonly ok: false;
      readonly code: 'unsupported_table';
      readonly tables: readonly string[];
      readonly message: string;
    };

export interface SqlEngineOptions {
  /** Tables that statements may name. */
  readonly tables: readonly TableSpec[];
  /** Where rows come from; without it statements can only be compiled. */
  readonly provider?: TableProvider;
  /** For the message about tables that the provider lacks. */
  readonly platform?: string;
  /** All memory that SQLite may hold in this thread, in bytes; it can be lowered later, never raised. Default 48 MiB. */
  readonly heapBytes?: number;
}

/** Enough for any one value of a row that may be sent, and for what functions build on the way. */
const VALUE_BYTES = 2 * LIMITS.rowBytes;
const HEAP_BYTES = 48 * 1024 * 1024;
/** Compiling the longest statement takes a fraction of it. */
const COMPILE_MS = 2_000;

/**
 * Runs one SELECT over virtual tables. Synchronous, and one statement at a time: an agent keeps it in a worker thread that can be
 * ended, the query service uses it only to compile.
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
    });
    this.scope = this.#newScope();
    this.#moduleIds = options.tables.map((table) => runtime.tables.register(this.#database.db, table, this));
  }

  noteTable(spec: TableSpec): void {
    this.#tables.add(spec.name);
  }

  noteMissingConstraint(spec: TableSpec): void {
    this.#database.noteMissingConstraint(spec);
  }

  noteFailure(error: unknown): void {
    this.#database.noteFailure(error);
  }

  /** Checks that `sql` is one read-only SELECT over known tables with the constraints that they need; runs nothing. */
  compile(sql: string): CompiledSelect | CompileFailure {
    this.#begin();
    return this.#database.withSelect(sql, COMPILE_MS, (stmt) => ({
      ok: true as const,
      columns: resultColumns(this.#runtime.sqlite, stmt),
      tables: [...this.#tables].sort(),
    }));
  }

  /** Compiles and runs `sql`. Never throws for what a statement or a collector does. */
  execute(sql: string, options: ExecuteOptions): ExecuteResult {
    this.#begin();
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    return this.#database.withSelect(sql, limits.ms, (stmt): ExecuteResult => {
      const missing = [...this.#tables].sort().filter((table) => this.provider?.has(table) !== true);
      if (missing.length > 0) return unsupported(missing, this.#platform);
      options.onColumns?.(resultColumns(this.#runtime.sqlite, stmt));
      return this.#database.run(stmt, new RowEncoder(this.#runtime.sqlite), {
        limits,
        chunkBytes: options.chunkBytes ?? LIMITS.chunkBytes,
        onRows: options.onRows,
      });
    });
  }

  close(): void {
    this.#database.close();
    for (const id of this.#moduleIds) this.#runtime.tables.forget(id);
  }

  #begin(): void {
    this.plans.length = 0;
    this.#tables.clear();
    this.scope = this.#newScope();
  }

  #newScope(): StatementScope {
    return new StatementScope(() => this.#database.expired());
  }
}

/** Loads SQLite when this thread has not yet, and opens an engine. */
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
