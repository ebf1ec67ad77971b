import { cellOf, parseFilter, passes, textOf, type ColumnKey } from './row-filter.js';
import type { RowStore, Value } from './row-store.js';

export interface Sort {
  readonly key: ColumnKey;
  readonly descending: boolean;
}

/** What is shown of the rows. */
export interface View {
  readonly filter: string;
  readonly sort?: Sort | undefined;
  /** One line for each value of this column. */
  readonly groupBy?: ColumnKey | undefined;
}

/** Rows with an equal value in the column that a view groups by. */
export interface ViewGroup {
  readonly value: Value;
  readonly rows: number;
  /** Null in a grouped query: one endpoint may be in several of its groups. */
  readonly endpoints: number | null;
}

/**
 * The rows of a store in the order of a view. Without a sort, rows that come later go to the end by themselves, so nothing moves. With a
 * sort or a group the view stays as it is until {@link takeAll}: a person may be reading it.
 */
export class RowView {
  readonly #store: RowStore;
  #view: View = { filter: '' };
  #terms: ReturnType<typeof parseFilter> = [];
  /** Undefined: all rows in the order in which they came. */
  #order: Uint32Array | number[] | undefined;
  #groups: readonly ViewGroup[] | undefined;
  /** How many rows of the store were looked at. */
  #seen = 0;

  constructor(store: RowStore) {
    this.#store = store;
  }

  get view(): View {
    return this.#view;
  }
  get groups(): readonly ViewGroup[] | undefined {
    return this.#groups;
  }
  get length(): number {
    return this.#groups?.length ?? this.#order?.length ?? this.#seen;
  }
  /** Rows that have come and are not in the view yet; with a filter they may turn out not to pass. */
  get pending(): number {
    return this.#store.length - this.#seen;
  }

  /** Shows the rows in another way, all of them. */
  show(view: View): void {
    this.#view = view;
    this.#terms = parseFilter(view.filter, this.#store.columns);
    this.takeAll();
  }

  /** Takes rows that have come since, where that moves nothing. */
  takeAppended(): void {
    const { sort, groupBy } = this.#view;
    if (sort !== undefined || groupBy !== undefined) return;
    const { length } = this.#store;
    if (Array.isArray(this.#order)) {
      for (let row = this.#seen; row < length; row += 1) {
        if (passes(this.#store, row, this.#terms)) this.#order.push(row);
      }
    }
    this.#seen = length;
  }

  /** Builds the view anew over all rows. */
  takeAll(): void {
    const { sort, groupBy } = this.#view;
    this.#seen = this.#store.length;
    const passing = this.#passing();
    this.#groups = groupBy === undefined ? undefined : this.#grouped(passing, groupBy);
    if (groupBy !== undefined || sort === undefined) this.#order = passing;
    else this.#order = sorted(this.#store, passing ?? upTo(this.#seen), sort);
  }

  /** The row of the store at a place of the view. */
  rowAt(place: number): number | undefined {
    if (place < 0 || place >= this.length) return undefined;
    return this.#order === undefined ? place : this.#order[place];
  }

  #passing(): number[] | undefined {
    if (this.#terms.length === 0) return undefined;
    const rows: number[] = [];
    for (let row = 0; row < this.#seen; row += 1) if (passes(this.#store, row, this.#terms)) rows.push(row);
    return rows;
  }

  #grouped(rows: readonly number[] | undefined, key: ColumnKey): readonly ViewGroup[] {
    const found = new Map<string, { value: Value; rows: number; owners: Set<number> }>();
    const count = rows?.length ?? this.#seen;
    for (let place = 0; place < count; place += 1) {
      const row = rows === undefined ? place : (rows[place] ?? 0);
      const value = cellOf(this.#store, row, key);
      const name = `${typeof value}:${textOf(value)}`;
      let group = found.get(name);
      if (group === undefined) {
        group = { value, rows: 0, owners: new Set() };
        found.set(name, group);
      }
      group.rows += this.#store.group(row)?.copies ?? 1;
      const owner = this.#store.owner(row);
      if (owner !== undefined) group.owners.add(owner);
    }
    return [...found.values()]
      .map(({ value, rows: n, owners }) => ({ value, rows: n, endpoints: this.#store.isGrouped ? null : owners.size }))
      .sort((one, other) => (other.endpoints ?? 0) - (one.endpoints ?? 0) || other.rows - one.rows);
  }
}

function upTo(length: number): Uint32Array {
  const rows = new Uint32Array(length);
  for (let row = 0; row < length; row += 1) rows[row] = row;
  return rows;
}

/** NULL first, then numbers, then text, as SQLite orders; equal ones in the order in which they came. */
function sorted(store: RowStore, rows: Uint32Array | readonly number[], { key, descending }: Sort): Uint32Array {
  const sign = descending ? -1 : 1;
  const keys = new Map<number, Value>();
  for (const row of rows) keys.set(row, cellOf(store, row, key));
  return Uint32Array.from(rows).sort(
    (one, other) => sign * compared(keys.get(one) ?? null, keys.get(other) ?? null) || one - other,
  );
}

function compared(one: Value, other: Value): number {
  const [rank, otherRank] = [rankOf(one), rankOf(other)];
  if (rank !== otherRank) return rank - otherRank;
  if (rank === 0) return 0;
  if (rank === 1) return (one as number) - (other as number);
  const [text, otherText] = [textOf(one), textOf(other)];
  return text < otherText ? -1 : text > otherText ? 1 : 0;
}

function rankOf(value: Value): number {
  if (value === null) return 0;
  if (typeof value === 'number') return 1;
  return typeof value === 'string' ? 2 : 3;
}
