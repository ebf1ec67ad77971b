import type { EndpointNameJson, GroupJson } from '@muster/api-contract';

/** One SQL value as the API sends it. */
export type Value = null | number | string | { readonly $blob: string };

/** How many rows a page keeps. */
export const MAX_ROWS = 250_000;
/** How many characters of text it keeps at most: rows may be wide. */
export const MAX_TEXT = 120_000_000;
/** Equal texts of a column are kept once, up to so many different ones. */
const MAX_INTERNED = 4_096;

export interface EndpointName {
  readonly agentId: string | null;
  readonly host: string | null;
}

/** What every group has besides its values. */
interface GroupCounts {
  endpoints: number;
  copies: number;
  sample: readonly EndpointNameJson[];
}

/**
 * The rows of one query, column by column: an array of values a column, the number of the endpoint a row. Append-only, but for groups,
 * whose counts change in place. Bounded: what is beyond is counted, not kept.
 */
export class RowStore {
  readonly #maxRows: number;
  readonly #maxText: number;
  #columns: readonly string[] = [];
  #values: Value[][] = [];
  #interned: Map<string, string>[] = [];
  readonly #owners: number[] = [];
  readonly #groups: GroupCounts[] = [];
  readonly #groupRows = new Map<number, number>();
  readonly #endpoints = new Map<number, EndpointName>();
  #text = 0;
  #dropped = 0;

  constructor(maxRows = MAX_ROWS, maxText = MAX_TEXT) {
    this.#maxRows = maxRows;
    this.#maxText = maxText;
  }

  get columns(): readonly string[] {
    return this.#columns;
  }
  get length(): number {
    return this.#values[0]?.length ?? this.#owners.length;
  }
  /** Rows that came and were not kept. */
  get dropped(): number {
    return this.#dropped;
  }
  /** Whether the bound is reached. */
  get full(): boolean {
    return this.length >= this.#maxRows || this.#text >= this.#maxText;
  }
  get isGrouped(): boolean {
    return this.#groups.length > 0;
  }
  /** How many endpoints gave a row. */
  get endpoints(): ReadonlyMap<number, EndpointName> {
    return this.#endpoints;
  }

  /** Says which columns the rows have; forgets rows of before. */
  begin(columns: readonly string[]): void {
    this.#columns = columns;
    this.#values = columns.map(() => []);
    this.#interned = columns.map(() => new Map<string, string>());
    this.#owners.length = 0;
    this.#groups.length = 0;
    this.#groupRows.clear();
    this.#endpoints.clear();
    this.#text = 0;
    this.#dropped = 0;
  }

  /** Appends the rows of one endpoint. */
  add(endpoint: EndpointNameJson, rows: readonly (readonly Value[])[]): void {
    if (rows.length > 0) this.#name(endpoint);
    for (const row of rows) {
      if (this.full) {
        this.#dropped += 1;
        continue;
      }
      this.#append(row);
      this.#owners.push(endpoint.num);
    }
  }

  /** Appends groups, or replaces the counts of those that are known. Returns whether a known one changed. */
  addGroups(groups: readonly GroupJson[]): boolean {
    let hasChanged = false;
    for (const group of groups) {
      const counts = { endpoints: group.endpoints, copies: group.copies, sample: group.sample };
      const known = this.#groupRows.get(group.index);
      if (known !== undefined) {
        this.#groups[known] = counts;
        hasChanged = true;
      } else if (this.full) {
        this.#dropped += 1;
      } else {
        this.#groupRows.set(group.index, this.#groups.length);
        this.#append(group.values as readonly Value[]);
        this.#groups.push(counts);
      }
    }
    return hasChanged;
  }

  /** One cell; `column` is a place in {@link columns}. */
  value(row: number, column: number): Value {
    return this.#values[column]?.[row] ?? null;
  }
  values(row: number): Value[] {
    return this.#values.map((column) => column[row] ?? null);
  }
  owner(row: number): number | undefined {
    return this.#owners[row];
  }
  ownerName(row: number): EndpointName | undefined {
    const owner = this.#owners[row];
    return owner === undefined ? undefined : this.#endpoints.get(owner);
  }
  group(row: number): Readonly<GroupCounts> | undefined {
    return this.#groups[row];
  }

  #append(row: readonly Value[]): void {
    for (let at = 0; at < this.#values.length; at += 1) this.#values[at]?.push(this.#kept(row[at] ?? null, at));
  }

  #kept(value: Value, column: number): Value {
    if (typeof value !== 'string') {
      if (typeof value === 'object' && value !== null) this.#text += value.$blob.length;
      return value;
    }
    const interned = this.#interned[column];
    const known = interned?.get(value);
    if (known !== undefined) return known;
    this.#text += value.length;
    if (interned !== undefined && interned.size < MAX_INTERNED) interned.set(value, value);
    return value;
  }

  #name({ num, agentId, host }: EndpointNameJson): void {
    if (typeof this.#endpoints.get(num)?.host !== 'string') this.#endpoints.set(num, { agentId, host });
  }
}
