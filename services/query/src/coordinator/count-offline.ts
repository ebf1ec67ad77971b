import type { Directory } from '@muster/directory';
import type { QueryRecord } from '@muster/records';
import { queryScope } from './query-scope.js';

/** Endpoints per turn of the event loop: about a millisecond of work. */
const SLICE = 2_000;

/** The enrolled endpoints in a hunt's scope, asked or not. Revoked ones do not count. */
export async function endpointsInScope(
  directory: Pick<Directory, 'endpoints'>,
  { org, scope, among, hunt }: Pick<QueryRecord, 'org' | 'scope' | 'among' | 'hunt'>,
): Promise<number[]> {
  const matches = queryScope({ scope, ...(among === undefined ? {} : { among }) });
  if (matches === undefined) return [];
  const through = hunt?.through ?? Number.POSITIVE_INFINITY;
  const nums: number[] = [];
  let checked = 0;
  for (const endpoint of directory.endpoints(org)) {
    if (++checked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (endpoint.revoked !== undefined || endpoint.num > through) continue;
    if (matches(endpoint)) nums.push(endpoint.num);
  }
  return nums;
}

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
