import type { SqlValue } from '@muster/protocol';
import { RESULT, type SqliteModule } from './sqlite-module.js';
import { SQL_FUNCTIONS } from './sql-function-list.js';
import { readValue, writeResult } from './values.js';

const UTF8 = 1;
const DETERMINISTIC = 0x800;

/** Registers the scalar functions that osquery adds to SQLite. */
export class SqlFunctions {
  readonly #sqlite: SqliteModule;
  readonly #call: number;

  constructor(sqlite: SqliteModule) {
    this.#sqlite = sqlite;
    this.#call = sqlite.install('v(pip)', (context = 0, argc = 0, argv = 0) => this.#run(context, argc, argv));
  }

  register(db: number): void {
    const { c } = this.#sqlite;
    for (const [index, one] of SQL_FUNCTIONS.entries()) {
      const flags = UTF8 | DETERMINISTIC;
      const code = this.#sqlite.withCString(one.name, (name) =>
        c.sqlite3_create_function_v2(db, name, one.args, flags, index, this.#call, 0, 0, 0),
      );
      if (code !== RESULT.ok) throw new Error(`SQLite does not take the function ${one.name}: code ${code}`);
    }
  }

  #run(context: number, argc: number, argv: number): void {
    const { c } = this.#sqlite;
    const one = SQL_FUNCTIONS[c.sqlite3_user_data(context)];
    try {
      const values: SqlValue[] = [];
      for (let i = 0; i < argc; i += 1) {
        values.push(readValue(this.#sqlite, this.#sqlite.view().getUint32(argv + i * 4, true)));
      }
      writeResult(this.#sqlite, context, one?.call(values) ?? null);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#sqlite.withCString(`${one?.name}: ${message}`, (text) => c.sqlite3_result_error(context, text, -1));
    }
  }
}
