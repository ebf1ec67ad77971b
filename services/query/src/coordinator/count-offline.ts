import type { Directory } from '@muster/directory';
import type { QueryRecord } from '@muster/records';
import { queryScope } from './query-scope.js';

/** Endpoints per turn of the event loop: about a millisecond of work. */
const SLICE = 2_000;

/** How many enrolled endpoints in a query's scope were not targeted. Revoked ones do not count. */
export async function countOffline(
  directory: Pick<Directory, 'endpoints'>,
  query: Pick<QueryRecord, 'org' | 'scope' | 'among'>,
  isTargeted: (num: number) => boolean,
): Promise<number> {
  const matches = queryScope(query);
  if (matches === undefined) return 0;
  let offline = 0;
  let checked = 0;
  for (const endpoint of directory.endpoints(query.org)) {
    if (++checked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (endpoint.revoked !== undefined || isTargeted(endpoint.num)) continue;
    if (matches(endpoint)) offline += 1;
  }
  return offline;
}
