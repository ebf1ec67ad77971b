import init from '@sqlite.org/sqlite-wasm';

/** The C functions we call, as raw WASM exports. Pointers and sizes are numbers; 64-bit integers are `bigint`. */
export interface SqliteExports {
  sqlite3_malloc(bytes: number): number;
  sqlite3_free(pointer: number): void;
  sqlite3_open_v2(name: number, out: number, flags: number, vfs: number): number;
  sqlite3_close_v2(db: number): number;
  sqlite3_exec(db: number, sql: number, callback: number, arg: number, message: number): number;
  sqlite3_prepare_v3(db: number, sql: number, bytes: number, flags: number, stmt: number, tail: number): number;
  sqlite3_step(stmt: number): number;
  sqlite3_reset(stmt: number): number;
  sqlite3_finalize(stmt: number): number;
  sqlite3_errmsg(db: number): number;
  sqlite3_error_offset(db: number): number;
  sqlite3_limit(db: number, id: number, value: number): number;
  sqlite3_stmt_readonly(stmt: number): number;
  sqlite3_stmt_isexplain(stmt: number): number;
  sqlite3_set_authorizer(db: number, callback: number, arg: number): number;
  sqlite3_progress_handler(db: number, operations: number, callback: number, arg: number): void;
  sqlite3_column_count(stmt: number): number;
  sqlite3_column_name(stmt: number, column: number): number;
  sqlite3_column_decltype(stmt: number, column: number): number;
  sqlite3_column_type(stmt: number, column: number): number;
  sqlite3_column_int64(stmt: number, column: number): bigint;
  sqlite3_column_double(stmt: number, column: number): number;
  sqlite3_column_text(stmt: number, column: number): number;
  sqlite3_column_blob(stmt: number, column: number): number;
  sqlite3_column_bytes(stmt: number, column: number): number;
  sqlite3_bind_parameter_count(stmt: number): number;
  sqlite3_bind_parameter_name(stmt: number, index: number): number;
  sqlite3_bind_null(stmt: number, index: number): number;
  sqlite3_bind_int(stmt: number, index: number, value: number): number;
  sqlite3_bind_int64(stmt: number, index: number, value: bigint): number;
  sqlite3_bind_double(stmt: number, index: number, value: number): number;
  sqlite3_bind_text(stmt: number, index: number, text: number, bytes: number, destructor: number): number;
  sqlite3_bind_blob(stmt: number, index: number, blob: number, bytes: number, destructor: number): number;
  sqlite3_value_type(value: number): number;
  sqlite3_value_int64(value: number): bigint;
  sqlite3_value_double(value: number): number;
  sqlite3_value_text(value: number): number;
  sqlite3_value_blob(value: number): number;
  sqlite3_value_bytes(value: number): number;
  sqlite3_result_null(context: number): void;
  sqlite3_result_int(context: number, value: number): void;
  sqlite3_result_int64(context: number, value: bigint): void;
  sqlite3_result_double(context: number, value: number): void;
  sqlite3_result_text(context: number, text: number, bytes: number, destructor: number): void;
  sqlite3_result_blob(context: number, blob: number, bytes: number, destructor: number): void;
  sqlite3_result_error(context: number, message: number, bytes: number): void;
  sqlite3_user_data(context: number): number;
  sqlite3_create_module_v2(db: number, name: number, module: number, arg: number, destroy: number): number;
  sqlite3_create_function_v2(
    db: number,
    name: number,
    args: number,
    flags: number,
    arg: number,
    func: number,
    step: number,
    final: number,
    destroy: number,
  ): number;
  sqlite3_create_collation_v2(
    db: number,
    name: number,
    encoding: number,
    arg: number,
    compare: number,
    destroy: number,
  ): number;
  /** `sqlite3_db_config` for the options that take an integer and a pointer to one. */
  sqlite3__wasm_db_config_ip(db: number, option: number, value: number, out: number): number;
  sqlite3_declare_vtab(db: number, sql: number): number;
  sqlite3_vtab_collation(info: number, constraint: number): number;
  sqlite3_vtab_in(info: number, constraint: number, handle: number): number;
}

/** Makes SQLite copy the value before the call returns. */
export const SQLITE_TRANSIENT = -1;

export const RESULT = {
  ok: 0,
  error: 1,
  nomem: 7,
  interrupt: 9,
  toobig: 18,
  constraint: 19,
  auth: 23,
  row: 100,
  done: 101,
} as const;
export const TYPE = { integer: 1, float: 2, text: 3, blob: 4, null: 5 } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** SQLite's heap and functions, one per thread. Databases and callbacks are identified by pointers. */
export class SqliteModule {
  readonly c: SqliteExports;
  readonly #heap: () => Uint8Array;
  readonly #install: (signature: string, callback: (...args: number[]) => number | void) => number;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #scratch = 0;
  #scratchSize = 0;

  constructor(
    c: SqliteExports,
    heap: () => Uint8Array,
    install: (signature: string, callback: (...args: number[]) => number | void) => number,
  ) {
    this.c = c;
    this.#heap = heap;
    this.#install = install;
  }

  /** Valid until the next call that may allocate, because a growing heap moves. */
  bytes(): Uint8Array {
    return this.#heap();
  }

  view(): DataView {
    const { buffer } = this.#heap();
    if (this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    return this.#view;
  }

  /** Makes a JavaScript function callable from C, for the life of the thread. `i(pp)` means `int f(void*, void*)`. */
  install(signature: string, callback: (...args: number[]) => number | void): number {
    return this.#install(signature, callback);
  }

  malloc(bytes: number): number {
    const pointer = this.c.sqlite3_malloc(bytes);
    if (pointer === 0) throw new RangeError(`SQLite has no ${bytes} bytes left`);
    return pointer;
  }

  /** A buffer of at least `bytes` that the next call reuses. For values that SQLite copies at once. */
  scratch(bytes: number): number {
    const keepAtMost = 64 * 1024;
    // Also needed for size 0: SQLite reads a null pointer as NULL, not as an empty text.
    if (this.#scratch === 0 || bytes > this.#scratchSize || (this.#scratchSize > keepAtMost && bytes <= keepAtMost)) {
      this.c.sqlite3_free(this.#scratch);
      this.#scratchSize = 0;
      this.#scratch = 0;
      const size = Math.max(4096, bytes);
      this.#scratch = this.malloc(size);
      this.#scratchSize = size;
    }
    return this.#scratch;
  }

  /** Copies text with a final NUL to the heap. The caller or SQLite frees it. */
  cString(text: string): number {
    const encoded = encoder.encode(text);
    const pointer = this.malloc(encoded.length + 1);
    const heap = this.bytes();
    heap.set(encoded, pointer);
    heap[pointer + encoded.length] = 0;
    return pointer;
  }

  withCString<T>(text: string, use: (pointer: number) => T): T {
    const pointer = this.cString(text);
    try {
      return use(pointer);
    } finally {
      this.c.sqlite3_free(pointer);
    }
  }

  /** Reads `length` bytes as UTF-8, including NUL bytes. Without a length, reads up to the first NUL. */
  text(pointer: number, length?: number): string {
    if (pointer === 0) return '';
    const heap = this.bytes();
    const end = length === undefined ? heap.indexOf(0, pointer) : pointer + length;
    return decoder.decode(heap.subarray(pointer, end));
  }

  /** Runs internal statements, never those of a user. */
  exec(db: number, sql: string): void {
    const code = this.withCString(sql, (pointer) => this.c.sqlite3_exec(db, pointer, 0, 0, 0));
    if (code !== RESULT.ok) throw new Error(`SQLite cannot run ${sql}: ${this.text(this.c.sqlite3_errmsg(db))}`);
  }

  /** Opens a separate in-memory database. */
  openMemory(): number {
    const out = this.malloc(4);
    try {
      const readWriteCreate = 6;
      const code = this.withCString(':memory:', (name) => this.c.sqlite3_open_v2(name, out, readWriteCreate, 0));
      if (code !== RESULT.ok) throw new Error(`SQLite cannot open an in-memory database: code ${code}`);
      return this.view().getUint32(out, true);
    } finally {
      this.c.sqlite3_free(out);
    }
  }
}

let loading: Promise<SqliteModule> | undefined;

/** Loads the official WASM build once per thread, about 12 MB of memory. */
export function loadSqlite(): Promise<SqliteModule> {
  loading ??= load();
  return loading;
}

async function load(): Promise<SqliteModule> {
  const sqlite = await init();
  const { wasm } = sqlite;
  // Struct layouts in this folder assume wasm32 with 4-byte pointers.
  if (Number(wasm.sizeofIR('*')) !== 4) throw new Error('this SQLite build is not for wasm32');
  const exports = wasm.exports as unknown as SqliteExports;
  return new SqliteModule(
    exports,
    () => wasm.heap8u(),
    (signature, callback) => Number(wasm.installFunction(signature, callback)),
  );
}
