import type { SqlValue } from '@muster/protocol';
import type { ConstraintOp } from '../schema/table-spec.js';

/** What a collector may put in a column. `undefined` and absent are NULL; a boolean is 0 or 1. */
export type Cell = SqlValue | boolean | undefined;
export type TableRow = Readonly<Record<string, Cell>>;

/** One comparison that the statement makes with a column of the table. */
export interface Constraint {
  readonly column: string;
  readonly op: ConstraintOp;
  readonly value: SqlValue;
}

/**
 * What one scan of one table is asked for. Constraints narrow what needs to be read; rows that do not fit them are harmless,
 * because SQLite checks again. In a join the inner table is asked once for each row of the outer one.
 */
export interface CollectRequest {
  readonly constraints: readonly Constraint[];
  /** Columns that the statement looks at; a collector skips work for the others. */
  readonly columns: ReadonlySet<string>;
  /** True when at least one of the columns is looked at. */
  uses(...columns: string[]): boolean;
  /** The values that `column` must equal, all of them; `undefined` when it is not constrained so. */
  equal(column: string): readonly SqlValue[] | undefined;
  /** Keeps what `make` returned until the statement ends, for all its scans of all tables. */
  memo<T>(key: string, make: () => T): T;
  /** Throws when the statement's time is over. To be called in loops that may be long between two rows. */
  checkpoint(): void;
}

/**
 * Where rows come from. Synchronous because SQLite's virtual tables are: run it in a worker thread. A row is read before the next
 * one is asked for, and iteration stops early when the statement has enough.
 */
export interface TableProvider {
  has(table: string): boolean;
  collect(table: string, request: CollectRequest): Iterable<TableRow>;
}
