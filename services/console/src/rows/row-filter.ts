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
  readonly operator: ':' | '=' | '==' | '>' | '<';
  readonly text: string;
  /** Of `==`. */
  readonly value?: Value;
}

/** Words between blanks. A value may stand between quotes, and a name between backticks; one of them within is written twice. */
const WORD = /(-)?(?:(#\d+|[\w@.]+|`(?:[^`]|``)+`)(==|:|=|>|<))?(?:"((?:[^"]|"")*)"|(\S+))/g;
const PLAIN_NAME = /^[\w.]+$/;
const BLOB = /^X'(.*)'$/;

/**
 * Reads a filter: words that must all occur, `name:part`, `name=value`, `name>5`, `name<5`, `-` before any for its
 * opposite. `name==value` is exactly this value, of its type: `"text"`, `5`, `NULL`, `X'…'`. `#2` is the second column.
 * An unknown name is text.
 */
export function parseFilter(filter: string, columns: readonly string[]): readonly Term[] {
  const terms: Term[] = [];
  for (const [whole, minus, name, operator, quoted, plain = ''] of filter.matchAll(WORD)) {
    const key = name === undefined ? undefined : keyOf(name, columns);
    const negated = minus !== undefined;
    if (name !== undefined && key === undefined) {
      terms.push({ negated, operator: ':', text: (negated ? whole.slice(1) : whole).toLowerCase() });
    } else {
      const unquoted = quoted?.replaceAll('""', '"');
      const text = (unquoted ?? plain).toLowerCase();
      const how = (operator as Term['operator'] | undefined) ?? ':';
      const exact = how === '==' ? { value: unquoted ?? literal(plain) } : {};
      terms.push({ negated, operator: how, text, ...exact, ...(key === undefined ? {} : { key }) });
    }
  }
  return terms;
}

/** The filter that leaves exactly the rows with this value in this column: the one place that writes what {@link parseFilter} reads. */
export function exactFilter(key: ColumnKey, value: Value, columns: readonly string[]): string {
  const text = typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : value === null ? 'NULL' : textOf(value);
  return `${nameOf(key, columns)}==${text}`;
}

function nameOf(key: ColumnKey, columns: readonly string[]): string {
  if (typeof key !== 'number') return key;
  const column = columns[key] ?? '';
  const name = PLAIN_NAME.test(column) ? column : `\`${column.replaceAll('`', '``')}\``;
  // Of two columns with one name, and of one without a name, the place says which.
  return keyOf(name, columns) === key && column !== '' ? name : `#${key + 1}`;
}

function literal(text: string): Value {
  if (text === 'NULL') return null;
  const blob = BLOB.exec(text)?.[1];
  if (blob !== undefined) return { $blob: blob };
  return text === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function keyOf(given: string, columns: readonly string[]): ColumnKey | undefined {
  if (given.startsWith('#')) return Number(given.slice(1)) <= columns.length ? Number(given.slice(1)) - 1 : undefined;
  if (given === '@host' || given === '@endpoints' || given === '@copies' || given === '@sample') return given;
  const name = given.startsWith('`') ? given.slice(1, -1).replaceAll('``', '`') : given;
  const same = columns.indexOf(name);
  if (same >= 0) return same;
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

function holds(store: RowStore, row: number, { key, operator, text, value: exact }: Term): boolean {
  if (key === undefined) return anyCellHas(store, row, text);
  const value = cellOf(store, row, key);
  if (operator === '==') return exact !== undefined && isSame(value, exact);
  if (operator === ':') return textOf(value).toLowerCase().includes(text);
  if (operator === '=') return textOf(value).toLowerCase() === text;
  const [left, right] = [Number(value), Number(text)];
  if (value === null || Number.isNaN(left) || Number.isNaN(right)) return false;
  return operator === '>' ? left > right : left < right;
}

/** Equal in type and text, as views are grouped. */
export function isSame(one: Value, other: Value): boolean {
  return typeof one === typeof other && (one === null) === (other === null) && textOf(one) === textOf(other);
}

function anyCellHas(store: RowStore, row: number, text: string): boolean {
  if (store.ownerName(row)?.host?.toLowerCase().includes(text) === true) return true;
  for (let column = 0; column < store.columns.length; column += 1) {
    if (textOf(store.value(row, column)).toLowerCase().includes(text)) return true;
  }
  return false;
}
