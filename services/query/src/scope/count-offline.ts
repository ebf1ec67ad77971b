import { type Directory, endpointLabel } from '@muster/directory';
import { type OrgId, type Selector, selectorMatches } from '@muster/protocol';

/** Endpoints looked at before others get their turn: about a millisecond of work. */
const SLICE = 2_000;

/** How many enrolled endpoints of a scope are not among those that were asked. Revoked ones do not count. */
export async function countOffline(
  directory: Pick<Directory, 'endpoints'>,
  scope: { readonly org: OrgId; readonly selector: Selector },
  isTargeted: (num: number) => boolean,
): Promise<number> {
  let offline = 0;
  let looked = 0;
  for (const endpoint of directory.endpoints(scope.org)) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    if (endpoint.revoked !== undefined || isTargeted(endpoint.num)) continue;
    if (selectorMatches(scope.selector, endpointLabel(endpoint))) offline += 1;
  }
  return offline;
}
