import type { PickAnswer } from './protocol.js';
import type { QueryReader } from './query-reader.js';
import type { Value } from './row-store.js';

/**
 * The first rows of a view, with all their columns: so many as a page has shown, however many have come since. A view
 * of groups has no rows to pick.
 */
export function pickRows({ view, store }: Pick<QueryReader, 'view' | 'store'>, first: number): PickAnswer {
  const rows: { agentId: string; row: Record<string, unknown> }[] = [];
  let omitted = 0;
  const length = view.groups === undefined ? Math.min(first, view.length) : 0;
  for (let place = 0; place < length; place += 1) {
    const row = view.rowAt(place);
    const agentId = row === undefined ? undefined : store.ownerName(row)?.agentId;
    if (row === undefined || typeof agentId !== 'string') omitted += 1;
    else rows.push({ agentId, row: rowByName(store.columns, store.values(row)) });
  }
  return { rows, omitted };
}

/** The values of a row by the names of its columns; of two columns with one name, the first. */
export function rowByName(columns: readonly string[], values: readonly Value[]): Record<string, unknown> {
  return Object.fromEntries(columns.map((name, at) => [name, values[at] ?? null] as const).toReversed());
}
