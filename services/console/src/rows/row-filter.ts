import type { RowStore, Value } from './row-store.js';

/** A column of the table: a column of the query by its place, or one that Muster adds. */
export type ColumnKey = number | '@host' | '@endpoints' | '@copies' | '@sample';

/** The value of a cell as it is compared. */
export function cellOf(store: RowStore, row: number, key: ColumnKey): Value {
  if (typeof key === 'number') return store.value(row, key);
  if (key === '@host') return store.ownerName(row)?.host ?? null;
  const group = store.group(row);
  if (key === '@endpoints') return group?.endpoints ?? null;
  if (key === '@copies') return group?.copies ?? null;
  return group?.sample.map(({ host }) => host ?? '').join(' ') ?? null;
}

/** A value as text, as it is filtered, grouped and copied. */
export function textOf(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'object') return `X'${value.$blob}'`;
  return String(value);
}

interface Term {
  readonly negated: boolean;
  readonly key?: ColumnKey;
  readonly operator: ':' | '=' | '>' | '<';
  readonly text: string;
}

/** Words between blanks; a value may stand between quotes. */
const WORD = /(-)?(?:([\w@.]+)(:|=|>|<))?(?:"([^"]*)"|(\S+))/g;

/**
 * Reads a filter: words that must all occur, `name:part`, `name=value`, `name>5`, `name<5`, `-` before any for its opposite. An unknown
 * name is text.
 */
export function parseFilter(filter: string, columns: readonly string[]): readonly Term[] {
  const terms: Term[] = [];
  for (const [whole, minus, name, operator, quoted, plain] of filter.matchAll(WORD)) {
    const key = name === undefined ? undefined : keyOf(name, columns);
    const negated = minus !== undefined;
    if (name !== undefined && key === undefined) {
      terms.push({ negated, operator: ':', text: (negated ? whole.slice(1) : whole).toLowerCase() });
    } else {
      const text = (quoted ?? plain ?? '').toLowerCase();
      const how = operator as Term['operator'] | undefined;
      terms.push({ negated, operator: how ?? ':', text, ...(key === undefined ? {} : { key }) });
    }
  }
  return terms;
}

function keyOf(name: string, columns: readonly string[]): ColumnKey | undefined {
  const at = columns.findIndex((column) => column.toLowerCase() === name.toLowerCase());
  if (at >= 0) return at;
  if (name === 'host') return '@host';
  if (name === 'endpoints') return '@endpoints';
  return name === 'copies' ? '@copies' : undefined;
}

/** Whether a row passes all terms. */
export function passes(store: RowStore, row: number, terms: readonly Term[]): boolean {
  return terms.every((term) => holds(store, row, term) !== term.negated);
}

function holds(store: RowStore, row: number, { key, operator, text }: Term): boolean {
  if (key === undefined) return anyCellHas(store, row, text);
  const value = cellOf(store, row, key);
  if (operator === ':') return textOf(value).toLowerCase().includes(text);
  if (operator === '=') return textOf(value).toLowerCase() === text;
  const [left, right] = [Number(value), Number(text)];
  if (value === null || Number.isNaN(left) || Number.isNaN(right)) return false;
  return operator === '>' ? left > right : left < right;
}

function anyCellHas(store: RowStore, row: number, text: string): boolean {
  if (store.ownerName(row)?.host?.toLowerCase().includes(text) === true) return true;
  for (let column = 0; column < store.columns.length; column += 1) {
    if (textOf(store.value(row, column)).toLowerCase().includes(text)) return true;
  }
  return false;
}
