import type { Directory } from '@muster/directory';
import { endpointLabel } from '@muster/directory';
import { AppError, selectorMatches, type AgentId } from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet } from '@muster/records';
import type { Principal } from '../http/principal.js';

/** Of many ids that are wrong, so many are named. */
const MAX_NAMED = 10;

/**
 * The endpoints with these ids as a number set: of `within`, where that is given.
 * @throws AppError `bad_request` that names ids which nobody has, or whose endpoints the caller may not see: it must
 * not tell these two apart.
 */
export function namedAgents(
  directory: Pick<Directory, 'byId'>,
  { org, bound }: Principal,
  agents: readonly string[],
  within?: Uint8Array,
): Uint8Array {
  // Who is connected how is up to the moment of asking: the query service looks at the whole bound again.
  const steady = bound.filter(({ key }) => key !== 'mode');
  const nums = new Set<number>();
  const unknown: string[] = [];
  for (const id of new Set(agents)) {
    // Sound: the schema has checked that each is the id of an agent.
    const endpoint = directory.byId(org, id as AgentId);
    if (endpoint !== undefined && selectorMatches(steady, endpointLabel(endpoint))) nums.add(endpoint.num);
    else unknown.push(id);
  }
  if (unknown.length > 0) {
    const more = unknown.length > MAX_NAMED ? `, and ${unknown.length - MAX_NAMED} more` : '';
    const message = `body.agents: nobody has the id ${unknown.slice(0, MAX_NAMED).join(', ')}${more}`;
    throw new AppError('bad_request', message, { details: { agents: unknown.slice(0, MAX_NAMED) } });
  }
  const found = within === undefined ? [...nums] : decodeNumberSet(within).filter((num) => nums.has(num));
  return encodeNumberSet(found.sort((a, b) => a - b));
}
