import type { SqlParameter } from '@muster/protocol';
import { LIMITS } from '@muster/protocol/limits';
import { parameterNames } from './bind-parameters.js';
import { GuardedDatabase, type RunFailure } from './guarded-database.js';
import { DEFAULT_LIMITS, type StatementLimits } from './limits.js';
import { RowBinder } from './row-binder.js';
import { RowEncoder } from './row-encoder.js';
import { loadRuntime, type SqliteRuntime } from './runtime.js';
import { RESULT, SQLITE_TRANSIENT } from './sqlite-module.js';
import type { CompiledSelect } from './sql-engine.js';
import { type CompileFailure, compileFailure } from './sql-text.js';
import { type ResultColumn, resultColumns } from './statement.js';

/** The columns of the table `rows`. */
export interface ReduceShape {
  /** `raw` has agent_id and host before the query's columns. `group` has endpoints (a count) before them. */
  readonly form: 'raw' | 'group';
  /** Names of the query's columns. They may repeat. */
  readonly columns: readonly string[];
}

export interface ReduceResult {
  readonly ok: true;
  readonly columns: readonly ResultColumn[];
  /** Rows as a CBOR sequence, in a transferable buffer. */
  readonly rows: Uint8Array<ArrayBuffer>;
  readonly count: number;
}

export interface ReducerOptions extends ReduceShape {
  /** Memory for rows and statement in bytes; default 512 MiB. SQLite applies the limit to the whole thread and only lets it be lowered. */
  readonly heapBytes?: number;
}

/** `memory`: the rows exceed the reducer's memory. */
export type InsertResult =
  { readonly ok: true } | { readonly ok: false; readonly code: 'memory'; readonly message: string };

const TABLE = 'rows';
const HEAP_BYTES = 512 * 1024 * 1024;
/** A group_concat over a fleet is larger than any value of one endpoint. */
const VALUE_BYTES = 16 * 1024 * 1024;
const COMPILE_MS = 2_000;

const LEADING = { raw: ['agent_id', 'host'], group: ['endpoints'] } as const;

/** Names of the columns of `rows`, in order. A repeated name (case-insensitive as in SQLite) gets the suffix `_2`, `_3` and so on. */
export function reduceColumns(shape: ReduceShape): string[] {
  const taken = new Set<string>();
  /** Where the search for a suffix goes on, so that thousands of equal names cost no more than as many different ones. */
  const nextSuffix = new Map<string, number>();
  return [...LEADING[shape.form], ...shape.columns].map((wanted) => {
    let name = wanted;
    let suffix = nextSuffix.get(wanted) ?? 2;
    for (; taken.has(name.toLowerCase()); suffix += 1) name = `${wanted}_${suffix}`;
    nextSuffix.set(wanted, suffix);
    taken.add(name.toLowerCase());
    return name;
  });
}

/**
 * Holds the rows of a fleet in the table `rows` and runs one read-only SELECT at a time on them. Synchronous, so run it
 * in a worker thread.
 */
export class Reducer {
  readonly #runtime: SqliteRuntime;
  readonly #database: GuardedDatabase;
  readonly #insert: number;
  readonly #binder: RowBinder;
  #inTransaction = false;
  #full: InsertResult | undefined;

  constructor(runtime: SqliteRuntime, options: ReducerOptions) {
    this.#runtime = runtime;
    this.#database = new GuardedDatabase(runtime, {
      knowsTable: (name) => name === TABLE,
      valueBytes: VALUE_BYTES,
      heapBytes: options.heapBytes ?? HEAP_BYTES,
    });
    const names = reduceColumns(options).map((name) => `"${name.replaceAll('"', '""')}"`);
    // Without column types, so that every value keeps its own type.
    runtime.sqlite.exec(this.#database.db, `CREATE TABLE ${TABLE}(${names.join(', ')})`);
    this.#insert = this.#prepareInsert(names.length);
    this.#binder = new RowBinder(runtime.sqlite, this.#insert, {
      leading: LEADING[options.form].length,
      columns: options.columns.length,
    });
  }

  /** Adds the rows of one endpoint (a CBOR sequence). Throws on malformed bytes. */
  insertRaw(agentId: string, host: string, rows: Uint8Array): InsertResult {
    this.#bindText(1, agentId);
    this.#bindText(2, host);
    return this.#insertRows(rows);
  }

  /** Adds one row that `endpoints` endpoints have in common. Throws on malformed bytes. */
  insertGroup(endpoints: number, row: Uint8Array): InsertResult {
    this.#runtime.sqlite.c.sqlite3_bind_int64(this.#insert, 1, BigInt(endpoints));
    return this.#insertRows(row);
  }

  /** Checks a statement against `rows` without running it. */
  compile(sql: string, parameters: readonly SqlParameter[] = []): CompiledSelect | CompileFailure {
    const { sqlite } = this.#runtime;
    const describe = (stmt: number): CompiledSelect => ({
      ok: true,
      columns: resultColumns(sqlite, stmt),
      tables: [],
      parameters: parameterNames(sqlite, stmt),
    });
    return this.#database.withSelect(sql, COMPILE_MS, describe, parameters);
  }

  /** Runs `sql` on the rows inserted so far. More rows may follow. */
  run(
    sql: string,
    limits: Partial<StatementLimits> = {},
    parameters: readonly SqlParameter[] = [],
  ): ReduceResult | RunFailure | CompileFailure {
    if (this.#full?.ok === false)
      return { ok: false, code: 'over_budget', limit: 'memory', message: this.#full.message };
    this.#commit();
    const { sqlite } = this.#runtime;
    const bounds = { ...DEFAULT_LIMITS, ...limits };
    const run = (stmt: number): ReduceResult | RunFailure => {
      const chunks: Uint8Array[] = [];
      const result = this.#database.run(stmt, new RowEncoder(sqlite), {
        limits: bounds,
        chunkBytes: LIMITS.chunkBytes,
        onRows: (chunk) => void chunks.push(chunk),
      });
      if (!result.ok) return result;
      return { ok: true, columns: resultColumns(sqlite, stmt), rows: join(chunks, result.bytes), count: result.rows };
    };
    return this.#database.withSelect(sql, bounds.ms, run, parameters);
  }

  close(): void {
    this.#runtime.sqlite.c.sqlite3_finalize(this.#insert);
    this.#database.close();
  }

  #prepareInsert(columns: number): number {
    const { sqlite } = this.#runtime;
    const parameters = Array.from({ length: columns }, () => '?').join(', ');
    const out = sqlite.malloc(4);
    try {
      const sql = `INSERT INTO ${TABLE} VALUES (${parameters})`;
      const code = sqlite.withCString(sql, (text) =>
        sqlite.c.sqlite3_prepare_v3(this.#database.db, text, -1, 0, out, 0),
      );
      if (code !== RESULT.ok)
        throw new Error(`SQLite cannot prepare the insertion of ${columns} columns: code ${code}`);
      return sqlite.view().getUint32(out, true);
    } finally {
      sqlite.c.sqlite3_free(out);
    }
  }

  #insertRows(rows: Uint8Array): InsertResult {
    if (this.#full !== undefined) return this.#full;
    try {
      this.#begin();
      this.#binder.insertAll(rows, (code) => {
        if (code !== RESULT.done) this.#full = FULL;
        return code === RESULT.done;
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#full = FULL;
    }
    return this.#full ?? { ok: true };
  }

  #bindText(index: number, text: string): void {
    const { sqlite } = this.#runtime;
    const encoded = Buffer.from(text);
    const pointer = sqlite.scratch(encoded.length);
    sqlite.bytes().set(encoded, pointer);
    sqlite.c.sqlite3_bind_text(this.#insert, index, pointer, encoded.length, SQLITE_TRANSIENT);
  }

  #begin(): void {
    if (this.#inTransaction) return;
    this.#runtime.sqlite.exec(this.#database.db, 'BEGIN');
    this.#inTransaction = true;
  }

  #commit(): void {
    if (!this.#inTransaction) return;
    this.#runtime.sqlite.exec(this.#database.db, 'COMMIT');
    this.#inTransaction = false;
  }
}

const FULL: InsertResult = { ok: false, code: 'memory', message: 'the rows are more than the reduce step may hold' };

/** Loads SQLite once per thread and opens a reducer without rows. */
export async function createReducer(options: ReducerOptions): Promise<Reducer> {
  return new Reducer(await loadRuntime(), options);
}

/** Checks a reduce statement before the query starts. */
export async function compileReduce(
  sql: string,
  shape: ReduceShape,
  parameters: readonly SqlParameter[] = [],
): Promise<CompiledSelect | CompileFailure> {
  const room = LIMITS.resultColumns - LEADING[shape.form].length;
  if (shape.columns.length > room)
    return compileFailure('sql_error', `the query has ${shape.columns.length} columns, and rows has room for ${room}`);
  const reducer = await createReducer(shape);
  try {
    return reducer.compile(sql, parameters);
  } finally {
    reducer.close();
  }
}

function join(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
