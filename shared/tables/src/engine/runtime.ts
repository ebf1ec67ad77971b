import { Hooks } from './hooks.js';
import { SqlFunctions } from './sql-functions.js';
import { loadSqlite, type SqliteModule } from './sqlite-module.js';
import { VirtualTables } from './virtual-tables.js';

/** What is installed once per thread and shared by its databases. */
export interface SqliteRuntime {
  readonly sqlite: SqliteModule;
  readonly hooks: Hooks;
  readonly tables: VirtualTables;
  readonly functions: SqlFunctions;
}

let loading: Promise<SqliteRuntime> | undefined;

export function loadRuntime(): Promise<SqliteRuntime> {
  loading ??= loadSqlite().then((sqlite) => ({
    sqlite,
    hooks: new Hooks(sqlite),
    tables: new VirtualTables(sqlite),
    functions: new SqlFunctions(sqlite),
  }));
  return loading;
}
