import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import { AppError, selectorMatches } from '@muster/protocol';
import type { Principal } from '../http/principal.js';

/** The endpoint of a list that is filtered by one. @throws AppError `not_found`, also for one that this principal may not see */
export function visibleAgent(
  directory: Pick<Directory, 'byId'>,
  { org, bound }: Pick<Principal, 'org' | 'bound'>,
  id: string,
): Endpoint {
  const endpoint = directory.byId(org, id);
  if (endpoint === undefined || (bound.length > 0 && !selectorMatches(bound, endpointLabel(endpoint))))
    throw new AppError('not_found', `there is no agent ${id}`);
  return endpoint;
}
