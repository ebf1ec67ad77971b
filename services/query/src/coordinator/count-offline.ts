import type { Directory } from '@muster/directory';
import type { QueryRecord } from '@muster/records';
import { filterInTurns, visitInTurns } from '@muster/runtime';
import { queryScope } from './query-scope.js';

/** The enrolled endpoints in a hunt's scope, asked or not. Revoked ones do not count. */
export async function endpointsInScope(
  directory: Pick<Directory, 'endpoints'>,
  { org, scope, among, hunt }: Pick<QueryRecord, 'org' | 'scope' | 'among' | 'hunt'>,
): Promise<number[]> {
  const matches = queryScope({ scope, ...(among === undefined ? {} : { among }) });
  if (matches === undefined) return [];
  const through = hunt?.through ?? Number.POSITIVE_INFINITY;
  const found = await filterInTurns(
    directory.endpoints(org),
    (endpoint) => endpoint.revoked === undefined && endpoint.num <= through && matches(endpoint),
  );
  return found.map(({ num }) => num);
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
  await visitInTurns(directory.endpoints(query.org), (endpoint) => {
    if (endpoint.revoked === undefined && !isTargeted(endpoint.num) && matches(endpoint)) offline += 1;
  });
  return offline;
}
