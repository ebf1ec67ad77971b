/** Operating systems that a table may exist on, in the words of osquery's schema. */
export const PLATFORMS = ['linux', 'windows', 'darwin'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** SQLite's word for a column's type; `BIGINT` and `INTEGER` differ only in what the reader may expect. */
export type ColumnType = 'TEXT' | 'INTEGER' | 'BIGINT' | 'DOUBLE' | 'BLOB';

/** A comparison that a table can use to read less. `like` and `glob` carry their pattern. */
export type ConstraintOp = '=' | '>' | '>=' | '<' | '<=' | 'like' | 'glob';

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly description: string;
  /** Not part of `SELECT *`. */
  readonly hidden?: true;
  /** Set when only some of the table's platforms have the column; it is NULL on the others. */
  readonly platforms?: readonly Platform[];
  /** How texts compare, when not byte by byte; a collector that is given an equality compares alike. */
  readonly collate?: 'NOCASE';
  /** Comparisons that are pushed down to the collector; SQLite still checks every row. */
  readonly pushdown?: readonly ConstraintOp[];
}

/** One table: names and columns are osquery's published ones. */
export interface TableSpec {
  /** Lower case with underscores. */
  readonly name: string;
  readonly description: string;
  readonly platforms: readonly Platform[];
  readonly columns: readonly ColumnSpec[];
  /** At least one of these columns must be constrained with one of its `pushdown` comparisons, or the statement does not compile. */
  readonly requiresOneOf?: readonly string[];
}
