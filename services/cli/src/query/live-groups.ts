import type { GroupJson } from '@muster/api-contract';
import { TableWriter, type Style } from '../terminal/table.js';
import { valueText } from '../terminal/value-text.js';

/** More would not fit above the line of progress on a small terminal. */
const SHOWN = 10;

/** The largest groups so far, as lines of a table. */
export function liveGroups(
  groups: readonly GroupJson[],
  columns: readonly string[],
  { width, style }: { readonly width: number | undefined; readonly style: Style },
): string[] {
  const table = new TableWriter({ headers: ['endpoints', ...columns], width, style });
  const rows = groups.slice(0, SHOWN).map(({ endpoints, values }) => [String(endpoints), ...values.map(valueText)]);
  const text = rows.map((row) => table.add(row)).join('') + table.end();
  const more = groups.length > SHOWN ? [`… and ${groups.length - SHOWN} more groups so far`] : [];
  return [...text.split('\n').filter((line) => line !== ''), ...more];
}
