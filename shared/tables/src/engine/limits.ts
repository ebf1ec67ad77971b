import { DEFAULT_BUDGET, LIMITS } from '@muster/protocol/limits';
import type { SqliteModule } from './sqlite-module.js';

/** Limits of one statement. The first one reached ends it. */
export interface StatementLimits {
  readonly ms: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of one encoded row. */
  readonly rowBytes: number;
}

export const DEFAULT_LIMITS: StatementLimits = { ...DEFAULT_BUDGET, rowBytes: LIMITS.rowBytes };

export type LimitName = 'time' | 'rows' | 'bytes' | 'row_bytes' | 'memory';

const LIMIT = { length: 0, sqlLength: 1, exprDepth: 3, compoundSelect: 4, attached: 7, likePattern: 8 } as const;

/** Limits SQLite itself. The heap limit applies to all databases of the thread and can only be lowered. */
export function limitDatabase(
  sqlite: SqliteModule,
  db: number,
  options: { valueBytes: number; heapBytes: number },
): void {
  const { c } = sqlite;
  c.sqlite3_limit(db, LIMIT.length, options.valueBytes);
  // The bound of what people write is `checkSqlText`. The statement that makes a reducer's table repeats the names of all columns.
  c.sqlite3_limit(db, LIMIT.sqlLength, LIMITS.sqlBytes + 4 * LIMITS.columnNamesBytes);
  c.sqlite3_limit(db, LIMIT.exprDepth, 500);
  c.sqlite3_limit(db, LIMIT.compoundSelect, 200);
  c.sqlite3_limit(db, LIMIT.attached, 0);
  c.sqlite3_limit(db, LIMIT.likePattern, 1_000);
  sqlite.exec(db, `PRAGMA hard_heap_limit=${options.heapBytes}`);
  // The default page cache of 16 MB is useless for a database without pages.
  sqlite.exec(db, 'PRAGMA cache_size=-2000');
}
