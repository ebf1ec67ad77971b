/** Operating systems of a table, with osquery's names. */
export const PLATFORMS = ['linux', 'windows', 'darwin'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Column types of SQLite. `BIGINT` and `INTEGER` differ only in the values a reader can expect. */
export type ColumnType = 'TEXT' | 'INTEGER' | 'BIGINT' | 'DOUBLE' | 'BLOB';

/**
 * What the rows of a table may tell. `secret`: credentials, or texts that often hold some. `personal`: what a person did, and where.
 * A policy says who may ask such tables.
 */
export const SENSITIVITIES = ['personal', 'secret'] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];

/** What a table reads when nothing narrows it, the cheapest first. */
export const TABLE_COSTS = {
  few_files: 'reads a few files of the machine: cheap',
  memory: 'reads what the agent has recorded in the last minutes: cheap',
  packages: 'reads a record for each package',
  program: 'starts a program of the machine',
  docker: 'asks Docker over its socket',
  homes: 'reads in the home of every user',
  processes: 'reads every process',
  folders: 'walks folders: as long as there is something in them',
  contents: 'reads the content of each file that it finds',
} as const;
export type TableCost = keyof typeof TABLE_COSTS;

/** A comparison that a table can use to read less. `like` and `glob` have a pattern as their value. */
export type ConstraintOp = '=' | '>' | '>=' | '<' | '<=' | 'like' | 'glob';

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly description: string;
  /** Not part of `SELECT *`. */
  readonly hidden?: true;
  /** Set when only some of the table's platforms have the column. It is NULL on the others. */
  readonly platforms?: readonly Platform[];
  /** Collation of texts, if not by bytes. The collector must compare in the same way. */
  readonly collate?: 'NOCASE';
  /** Comparisons that are pushed down to the collector. SQLite still checks every row. */
  readonly pushdown?: readonly ConstraintOp[];
  /** An equality says where to read. Without it the table reads elsewhere, and has fewer rows or others. */
  readonly source?: true;
}

/** One table. Names and columns are those of osquery's published schema. */
export interface TableSpec {
  /** Lower case with underscores. */
  readonly name: string;
  readonly description: string;
  readonly platforms: readonly Platform[];
  readonly columns: readonly ColumnSpec[];
  /** Only those may ask it whom the policy of their org allows it. */
  readonly sensitivity?: Sensitivity;
  /** What it reads when nothing narrows it. The catalogue has it for every table. */
  readonly cost?: TableCost;
  /** The same as a sentence for people, with the columns that make it read less. */
  readonly costNote?: string;
  /** The statement must constrain one of these columns with one of its `pushdown` comparisons. Otherwise it does not compile. */
  readonly requiresOneOf?: readonly string[];
}
