import { endpointLabel, type Endpoint } from '@muster/directory';
import { parseSelector, selectorMatches, withoutHealth, type SessionMode } from '@muster/protocol';
import { decodeNumberSet, type QueryRecord } from '@muster/records';

/** Whether an endpoint is in the scope of a query. `undefined` for a scope that cannot be read. */
export function queryScope({
  scope,
  among,
}: Pick<QueryRecord, 'scope' | 'among'>): ((endpoint: Endpoint, mode?: SessionMode) => boolean) | undefined {
  const parsed = parseSelector(scope);
  if (!parsed.ok) return undefined;
  if (among === undefined) return (endpoint, mode) => selectorMatches(parsed.selector, endpointLabel(endpoint, mode));
  const selector = withoutHealth(parsed.selector);
  const nums = new Set(decodeNumberSet(among));
  return (endpoint, mode) => nums.has(endpoint.num) && selectorMatches(selector, endpointLabel(endpoint, mode));
}
