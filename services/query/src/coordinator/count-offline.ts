import { type Directory, endpointLabel } from '@muster/directory';
import { parseSelector, selectorMatches } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';

/** Endpoints per turn of the event loop: about a millisecond of work. */
const SLICE = 2_000;

/** How many enrolled endpoints in a query's scope were not targeted. Revoked ones do not count. */
export async function countOffline(
  directory: Pick<Directory, 'endpoints'>,
  { org, scope }: Pick<QueryRecord, 'org' | 'scope'>,
  isTargeted: (num: number) => boolean,
): Promise<number> {
  const parsed = parseSelector(scope);
  if (!parsed.ok) return 0;
  let offline = 0;
  let checked = 0;
  for (const endpoint of directory.endpoints(org)) {
    if (++checked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (endpoint.revoked !== undefined || isTargeted(endpoint.num)) continue;
    if (selectorMatches(parsed.selector, endpointLabel(endpoint))) offline += 1;
  }
  return offline;
}
