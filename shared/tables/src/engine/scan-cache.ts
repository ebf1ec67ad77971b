import type { SqlValue } from '@muster/protocol';
import type { ColumnSpec, TableSpec } from '../schema/table-spec.js';
import { type Constraint, cellOf, type TableRow } from './collect.js';
import { bindPlan, type ScanPlan } from './scan-plan.js';

/** What the kept rows of one statement may hold. */
const MAX_ROWS = 200_000;
const MAX_TEXT = 32 * 1024 * 1024;
/** After so many reads for single values, the whole table is read and looked up in. */
const SINGLE_READS = 8;
/** Where that cannot be, since the value says where to read (the paths of a search of a whole disk), no more are kept. */
const MAX_SINGLE_READS = 2_048;

type Collect = (constraints: readonly Constraint[]) => Iterator<TableRow>;

/** One read of a table, with an index for each column that was looked up. */
interface Kept {
  readonly rows: readonly TableRow[];
  readonly indexes: Map<string, Index>;
}

interface Index {
  readonly byKey: ReadonlyMap<string, readonly TableRow[]>;
  /** Rows whose cell cannot be compared by key; they are in every look-up. */
  readonly others: readonly TableRow[];
}

interface TableState {
  scans: number;
  readonly kept: Map<string, Kept>;
  tooLarge: boolean;
}

/**
 * Rows of the tables that a statement scans again and again, as the inner table of a join. The first scan streams, the
 * second is kept. Scans with ever new values of an equality read the whole table once and look the value up. What it
 * returns may hold more rows than asked for, never fewer: SQLite checks each.
 */
export class ScanCache {
  readonly #tables = new Map<string, TableState>();
  readonly #checkpoint: () => void;
  #rows = 0;
  #text = 0;

  constructor(checkpoint: () => void) {
    this.#checkpoint = checkpoint;
  }

  /** The rows of one scan; `undefined` when none can match. */
  scan(spec: TableSpec, plan: ScanPlan, values: readonly SqlValue[], collect: Collect): Iterator<TableRow> | undefined {
    const constraints = bindPlan(spec, plan, values);
    if (constraints === undefined) return undefined;
    const state = this.#state(spec, plan);
    state.scans += 1;
    if (state.scans === 1 || state.tooLarge) return collect(constraints);
    const wide = constraints.filter((one) => !isFilter(spec, one));
    const kept = state.kept.get(signature(wide)) ?? state.kept.get(signature(constraints));
    if (kept !== undefined) return lookUp(kept, plan, values);
    if (state.kept.size >= MAX_SINGLE_READS) return collect(constraints);
    const isWorthAll = state.kept.size >= SINGLE_READS && meetsRequirement(spec, wide);
    const read = isWorthAll ? wide : constraints;
    return this.#keep(state, signature(read), collect(read), (one) => lookUp(one, plan, values));
  }

  #state(spec: TableSpec, { columns }: ScanPlan): TableState {
    const key = `${spec.name} ${[...columns].join(' ')}`;
    let state = this.#tables.get(key);
    if (state === undefined) {
      state = { scans: 0, kept: new Map(), tooLarge: false };
      this.#tables.set(key, state);
    }
    return state;
  }

  #keep(
    state: TableState,
    key: string,
    source: Iterator<TableRow>,
    use: (kept: Kept) => Iterator<TableRow>,
  ): Iterator<TableRow> {
    const rows: TableRow[] = [];
    for (let next = source.next(); next.done !== true; next = source.next()) {
      this.#checkpoint();
      rows.push(next.value);
      this.#rows += 1;
      this.#text += textOf(next.value);
      if (this.#rows <= MAX_ROWS && this.#text <= MAX_TEXT) continue;
      state.tooLarge = true;
      return chain(rows, source);
    }
    const kept = { rows, indexes: new Map<string, Index>() };
    state.kept.set(key, kept);
    return use(kept);
  }
}

function* chain(rows: readonly TableRow[], rest: Iterator<TableRow>): Generator<TableRow> {
  yield* rows;
  yield* { [Symbol.iterator]: () => rest };
}

/** A constraint that only leaves rows out: a read without it has them all. */
function isFilter(spec: TableSpec, { column, op }: Constraint): boolean {
  return op === '=' && spec.columns.find((one) => one.name === column)?.source !== true;
}

function meetsRequirement({ requiresOneOf }: TableSpec, constraints: readonly Constraint[]): boolean {
  return requiresOneOf === undefined || constraints.some((one) => requiresOneOf.includes(one.column));
}

function signature(constraints: readonly Constraint[]): string {
  return constraints
    .map(({ column, op, value }) => {
      const text = value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);
      return `${column} ${op} ${typeof value} ${text.length} ${text}`;
    })
    .join('\n');
}

function textOf(row: TableRow): number {
  let size = 0;
  for (const cell of Object.values(row)) size += typeof cell === 'string' ? cell.length : 8;
  return size;
}

function lookUp(kept: Kept, plan: ScanPlan, values: readonly SqlValue[]): Iterator<TableRow> {
  for (const [position, { column, op, nullMatches }] of plan.pushed.entries()) {
    const value = values[position] ?? null;
    if (op !== '=' || (value === null && nullMatches)) continue;
    const key = keyOf(column, value);
    if (key === undefined) continue;
    let index = kept.indexes.get(column.name);
    if (index === undefined) {
      index = buildIndex(column, kept.rows);
      kept.indexes.set(column.name, index);
    }
    const found = index.byKey.get(key) ?? [];
    return (index.others.length === 0 ? found : [...found, ...index.others])[Symbol.iterator]();
  }
  return kept.rows[Symbol.iterator]();
}

function buildIndex(column: ColumnSpec, rows: readonly TableRow[]): Index {
  const byKey = new Map<string, TableRow[]>();
  const others: TableRow[] = [];
  for (const row of rows) {
    const cell = cellOf(row[column.name]);
    // NULL equals nothing.
    if (cell === null || cell === undefined) continue;
    const key = keyOf(column, typeof cell === 'boolean' ? Number(cell) : cell);
    if (key === undefined) {
      others.push(row);
      continue;
    }
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [row]);
    else known.push(row);
  }
  return { byKey, others };
}

/** Equal for values that SQLite calls equal in this column; `undefined` where that depends on SQLite's conversions. */
function keyOf({ type, collate }: ColumnSpec, value: SqlValue): string | undefined {
  if (type === 'TEXT') {
    if (typeof value !== 'string') return undefined;
    // SQLite's NOCASE knows ASCII only.
    return collate === undefined ? value : value.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  }
  if (type !== 'INTEGER' && type !== 'BIGINT') return undefined;
  if (typeof value === 'bigint') return String(Number(value));
  return typeof value === 'number' && Number.isInteger(value) ? String(value) : undefined;
}
