import type { SqlValue } from '@muster/protocol';
import { compareVersions, VERSION_RULES } from './functions/version-order.js';
import { SQL_FUNCTIONS } from './sql-function-list.js';
import { RESULT, type SqliteModule } from './sqlite-module.js';
import { readTextOrBytes, readValue, writeResult } from './values.js';

const UTF8 = 1;
const DETERMINISTIC = 0x800;

const COLLATIONS = Object.entries(VERSION_RULES);

/** Registers the scalar functions and the collations that osquery adds to SQLite. */
export class SqlFunctions {
  readonly #sqlite: SqliteModule;
  readonly #call: number;
  readonly #compare: number;

  constructor(sqlite: SqliteModule) {
    this.#sqlite = sqlite;
    this.#call = sqlite.install('v(pip)', (context = 0, argc = 0, argv = 0) => this.#run(context, argc, argv));
    this.#compare = sqlite.install('i(pipip)', (index = 0, leftBytes = 0, left = 0, rightBytes = 0, right = 0) => {
      const heap = sqlite.bytes();
      const rules = COLLATIONS[index]?.[1] ?? VERSION_RULES.version;
      return compareVersions(heap.subarray(left, left + leftBytes), heap.subarray(right, right + rightBytes), rules);
    });
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
    for (const [index, [collation]] of COLLATIONS.entries()) {
      const code = this.#sqlite.withCString(collation, (name) =>
        c.sqlite3_create_collation_v2(db, name, UTF8, index, this.#compare, 0),
      );
      if (code !== RESULT.ok) throw new Error(`SQLite does not take the collation ${collation}: code ${code}`);
    }
  }

  #run(context: number, argc: number, argv: number): void {
    const { c } = this.#sqlite;
    const one = SQL_FUNCTIONS[c.sqlite3_user_data(context)];
    try {
      const values: SqlValue[] = [];
      for (let i = 0; i < argc; i += 1) {
        const value = this.#sqlite.view().getUint32(argv + i * 4, true);
        values.push(one?.takes === 'text' ? readTextOrBytes(this.#sqlite, value) : readValue(this.#sqlite, value));
      }
      const result = one?.call(values) ?? null;
      if (one?.returns === 'real' && typeof result === 'number') c.sqlite3_result_double(context, result);
      else writeResult(this.#sqlite, context, result);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#sqlite.withCString(`${one?.name}: ${message}`, (text) => c.sqlite3_result_error(context, text, -1));
    }
  }
}
