import { decodeRows, type SqlParameter, type SqlValue } from '@muster/protocol';
import { createSqlEngine, type ExecuteResult, type SqlEngine, TABLES } from '@muster/tables';
import { platformTables, type PlatformTablesOptions } from './platform-tables.js';

/** Result and rows (by column name) of a statement. */
export interface QueryResult {
  readonly result: ExecuteResult;
  readonly rows: Record<string, SqlValue>[];
}

/** Queries the Linux tables like the agent does, on this machine or on a copied file tree. */
export class LinuxTables {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  static async open(root = '/', options: PlatformTablesOptions = {}): Promise<LinuxTables> {
    const { provider } = platformTables('linux', { ...options, root });
    return new LinuxTables(await createSqlEngine({ tables: TABLES, provider, platform: 'linux' }));
  }

  query(
    sql: string,
    limits: { ms?: number; bytes?: number } = {},
    parameters: readonly SqlParameter[] = [],
  ): QueryResult {
    let names: string[] = [];
    const rows: Record<string, SqlValue>[] = [];
    const result = this.#engine.execute(sql, {
      parameters,
      onColumns: (columns) => {
        names = columns.map((column) => column.name);
      },
      onRows: (chunk) => {
        for (const row of decodeRows(chunk, names.length)) {
          rows.push(Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])));
        }
      },
      limits: { ms: 60_000, rows: 1_000_000, bytes: 256 * 1024 * 1024, ...limits },
    });
    return { result, rows };
  }

  close(): void {
    this.#engine.close();
  }
}
