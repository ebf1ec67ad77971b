import type { ApiClient } from '@muster/api-client';
import { nearest } from '../terminal/nearest.js';

/** What was probably meant by a table or column that does not exist; undefined when the fault is another one, or nothing is similar. */
export async function sqlHint(client: ApiClient, message: string, sql: string): Promise<string | undefined> {
  const [, kind, full = ''] = /no such (table|column): "?([\w.]+)"?/.exec(message) ?? [];
  if (kind === undefined) return undefined;
  const name = full.slice(full.lastIndexOf('.') + 1);
  // Without the list there is no hint, and the fault has been told all the same.
  const { items } = await client.call('GET /v1/tables').catch(() => ({ items: [] }));
  const lower = sql.toLowerCase();
  const candidates =
    kind === 'table'
      ? items.map((table) => table.name)
      : items
          .filter((table) => new RegExp(`\\b${table.name}\\b`).test(lower))
          .flatMap(({ columns }) => columns.map((column) => column.name));
  const meant = nearest(name.toLowerCase(), new Set(candidates));
  if (meant !== undefined) return `did you mean ${meant}?`;
  return kind === 'table' && items.length > 0 ? '`muster tables` lists them' : undefined;
}
