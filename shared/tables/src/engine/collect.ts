import type { SqlValue } from '@muster/protocol';
import type { ConstraintOp } from '../schema/table-spec.js';

/** A value of a column. `undefined` and missing are NULL; booleans are 0 or 1. */
export type Cell = SqlValue | boolean | undefined;
/** A value that costs much: read only when the statement needs it for a row that no cheaper comparison has left out. */
export type LazyCell = () => Cell;
export type TableRow = Readonly<Record<string, Cell | LazyCell>>;

/** A comparison of the statement with a column of the table. */
export interface Constraint {
  readonly column: string;
  readonly op: ConstraintOp;
  readonly value: SqlValue;
}

/**
 * The request for one scan of one table. Constraints limit what must be read. Rows that do not match are harmless,
 * because SQLite checks every row. In a join the inner table is scanned once per row of the outer table.
 */
export interface CollectRequest {
  readonly constraints: readonly Constraint[];
  /** Columns that the statement uses. A collector need not fill the others. */
  readonly columns: ReadonlySet<string>;
  /** True when the statement uses at least one of the columns. */
  uses(...columns: string[]): boolean;
  /** The values that `column` must equal, all at once. `undefined` without such a constraint. */
  equal(column: string): readonly SqlValue[] | undefined;
  /** Caches the result of `make` for the statement, across all scans and tables. */
  memo<T>(key: string, make: () => T): T;
  /** Throws when the statement's time is over. Call it in loops that may run long without yielding a row. */
  checkpoint(): void;
  /** Time that the statement has left. */
  remainingMs(): number;
  /** Notes that the answer lacks something, and why. `what` is an example for people. */
  warn(code: WarningCode, what: string): void;
}

/** Why a row, a cell or a part of one is not in an answer. */
export type WarningCode =
  /** It is there, and the system does not let us read it. */
  | 'unreadable'
  /** A text that is cut at its end. */
  | 'cut'
  /** Larger, deeper or more than what is read of one object. */
  | 'too_large'
  /** Reading it would have taken the time of all the others. */
  | 'too_slow'
  /** Its source can be read in more than one way, because somebody wrote what looks like another entry. */
  | 'ambiguous'
  /** It happened, and was not recorded. */
  | 'missed';

const UNAVAILABLE = Symbol.for('muster.table_unavailable');

/** Thrown by a collector whose table exists here, but has no source that it could be read from: no rows would say that there is nothing. */
export class TableUnavailable extends Error {
  readonly [UNAVAILABLE] = true;

  static is(error: unknown): error is TableUnavailable {
    return typeof error === 'object' && error !== null && UNAVAILABLE in error;
  }
}

/**
 * The source of rows. Synchronous like SQLite's virtual tables, so run it in a worker thread. A row is consumed before
 * the next one is requested. Iteration stops early when the statement has enough rows.
 */
export interface TableProvider {
  has(table: string): boolean;
  collect(table: string, request: CollectRequest): Iterable<TableRow>;
}

/** A cell that is made when it is first asked for, once. */
export function lazy(make: () => Cell): LazyCell {
  let made: { readonly cell: Cell } | undefined;
  return () => (made ??= { cell: make() }).cell;
}

export function cellOf(cell: Cell | LazyCell): Cell {
  return typeof cell === 'function' ? cell() : cell;
}
