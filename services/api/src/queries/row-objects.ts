import type { RowShape } from '@muster/api-contract';
import { uniqueNames, type JsonSqlValue } from '@muster/protocol';

/** How rows are written: values in the order of the columns, or by column name. */
export interface RowView {
  readonly shape: RowShape;
  readonly columns: readonly string[];
}

/** `values`, or `row`. */
export function rowMember(values: readonly JsonSqlValue[], { shape, columns }: RowView) {
  return shape === 'arrays' ? { values } : { row: rowObject(values, columns) };
}

/** The values by column name; a name that occurs twice is `name_2`. */
export function rowObject(values: readonly JsonSqlValue[], columns: readonly string[]): Record<string, JsonSqlValue> {
  return Object.fromEntries(uniqueNames(columns).map((name, i) => [name, values[i] ?? null]));
}

/** What stands before each value of a row object in JSON, such as `"pid":`. */
export function rowKeys(columns: readonly string[]): string[] {
  return uniqueNames(columns).map((name) => `${JSON.stringify(name)}:`);
}
