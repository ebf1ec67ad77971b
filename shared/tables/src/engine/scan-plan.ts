import type { SqlValue } from '@muster/protocol';
import type { ColumnSpec, ColumnType, ConstraintOp, TableSpec } from '../schema/table-spec.js';
import type { Constraint } from './collect.js';

/** A constraint that SQLite offers for a scan, decoded from `sqlite3_index_info`. */
export interface OfferedConstraint {
  /** Index of the column; -1 for the row id. */
  readonly column: number;
  /** SQLITE_INDEX_CONSTRAINT_*. */
  readonly op: number;
  /** False when the other side is unknown in the join order that SQLite is trying. */
  readonly usable: boolean;
  readonly collation: () => string;
  /** It is one value of an IN list, whose values come one by one. */
  readonly isOneOfMany: () => boolean;
}

interface PushedConstraint {
  readonly column: ColumnSpec;
  readonly op: ConstraintOp;
  /** The operator is `IS`, which also matches NULL. */
  readonly nullMatches: boolean;
  /** The collector cannot use it; rows that are kept are looked up by it. */
  readonly onlyLookedUp: boolean;
}

/** A plan for one scan, without the values. */
export interface ScanPlan {
  readonly pushed: readonly PushedConstraint[];
  /** Index of each pushed constraint among the offered ones. */
  readonly offered: readonly number[];
  readonly columns: ReadonlySet<string>;
  readonly cost: number;
  readonly rows: number;
}

const IS = 72;
const OPS: ReadonlyMap<number, ConstraintOp> = new Map([
  [2, '='],
  [4, '>'],
  [8, '<='],
  [16, '<'],
  [32, '>='],
  [65, 'like'],
  [66, 'glob'],
  [IS, '='],
]);

/** Chooses the constraints to push down. `undefined` when a required constraint is not usable. */
export function planScan(spec: TableSpec, offers: readonly OfferedConstraint[], colUsed: bigint): ScanPlan | undefined {
  const pushed: PushedConstraint[] = [];
  const offered: number[] = [];
  for (const [index, offer] of offers.entries()) {
    const column = spec.columns[offer.column];
    const op = OPS.get(offer.op);
    if (!offer.usable || column === undefined || op === undefined) continue;
    const onlyLookedUp = column.pushdown?.includes(op) !== true;
    // A list would read the table once for each value.
    if (onlyLookedUp && (op !== '=' || offer.op === IS || offer.isOneOfMany())) continue;
    // Under another collation SQLite would match more rows than the collector finds.
    if (op !== 'like' && op !== 'glob' && offer.collation().toUpperCase() !== (column.collate ?? 'BINARY')) continue;
    pushed.push({ column, op, nullMatches: offer.op === IS, onlyLookedUp });
    offered.push(index);
  }
  const required = spec.requiresOneOf;
  const isMet = pushed.some((one) => !one.onlyLookedUp && required?.includes(one.column.name));
  if (required !== undefined && !isMet) return undefined;
  return { pushed, offered, columns: usedColumns(spec, colUsed), ...estimate(pushed) };
}

function estimate(pushed: readonly PushedConstraint[]): { cost: number; rows: number } {
  const given = pushed.filter((one) => !one.onlyLookedUp);
  if (given.some((one) => one.op === '=')) return { cost: 10, rows: 2 };
  if (given.length > 0) return { cost: 5_000, rows: 100 };
  // The table is read whole all the same: one read is cheaper than one for each side of an OR.
  return pushed.length > 0 ? { cost: 900_000, rows: 20 } : { cost: 1_000_000, rows: 1_000 };
}

/** Bit 63 stands for the 64th column and all after it. */
function usedColumns(spec: TableSpec, colUsed: bigint): ReadonlySet<string> {
  const used = new Set<string>();
  for (const [index, column] of spec.columns.entries()) {
    if ((colUsed >> BigInt(Math.min(index, 63))) & 1n) used.add(column.name);
  }
  return used;
}

/**
 * Adds the values to a plan. `undefined` when no row can match. A value that the column's type cannot equal is left to
 * SQLite and its comparison rules.
 */
export function bindPlan(spec: TableSpec, plan: ScanPlan, values: readonly SqlValue[]): Constraint[] | undefined {
  const constraints: Constraint[] = [];
  for (const [index, one] of plan.pushed.entries()) {
    const value = values[index] ?? null;
    if (value === null) {
      if (one.nullMatches) continue;
      return undefined;
    }
    if (one.onlyLookedUp) continue;
    const coerced = one.op === 'like' || one.op === 'glob' ? patternText(value) : coerce(value, one.column.type);
    if (coerced !== undefined) constraints.push({ column: one.column.name, op: one.op, value: coerced });
  }
  const required = spec.requiresOneOf;
  if (required !== undefined && !constraints.some((one) => required.includes(one.column))) return undefined;
  return constraints;
}

function patternText(value: SqlValue): string | undefined {
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'bigint'
      ? String(value)
      : undefined;
}

function coerce(value: SqlValue, type: ColumnType): SqlValue | undefined {
  if (type === 'BLOB') return value instanceof Uint8Array ? value : undefined;
  if (value instanceof Uint8Array) return undefined;
  if (type === 'TEXT') return typeof value === 'string' ? value : undefined;
  if (typeof value !== 'string') return value;
  return /^\s*-?\d{1,15}\s*$/.test(value) ? Number(value) : undefined;
}
