import { type Directory, type Endpoint, endpointLabel } from '@muster/directory';
import { parseSelector, selectorMatches, type AgentId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Presence, Registry } from '@muster/registry';
import { sleep, type Clock } from '@muster/runtime';
import { LOST_MS } from '../liveness/gateway-failure-detector.js';

/** Who is in a query's ledger, and which gateways have said whom they ask. */
export interface AskedEndpoints {
  readonly has: (num: number) => boolean;
  readonly speaks: (gateway: string) => boolean;
}

export interface FindLostDeps {
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly registry: Pick<Registry, 'lookup'>;
  readonly clock: Clock;
}

/** A registry that hangs must not keep a query from its end. */
const PATIENCE_MS = 1_000;
const BATCH = 5_000;

/**
 * Endpoints in a query's scope that nobody asked although they were live a moment ago: the registry names a gateway that does not speak,
 * and nobody has said that the session is over. `undefined` when the registry does not answer in time.
 */
export async function findLost(
  deps: FindLostDeps,
  { org, scope, createdAtMs }: Pick<QueryRecord, 'org' | 'scope' | 'createdAtMs'>,
  { has, speaks }: AskedEndpoints,
): Promise<readonly number[] | undefined> {
  const { directory, registry, clock } = deps;
  const parsed = parseSelector(scope);
  if (!parsed.ok) return [];
  const isInScope = (endpoint: Endpoint, mode: 'live' | 'poll'): boolean =>
    selectorMatches(parsed.selector, endpointLabel(endpoint, mode));
  const isLost = (endpoint: Endpoint, { session, lapsed, lastSeenMs }: Presence): boolean => {
    const held = session ?? (lastSeenMs >= createdAtMs - LOST_MS ? lapsed : undefined);
    return held !== undefined && !speaks(held.gatewayId) && isInScope(endpoint, held.mode);
  };
  const lost: number[] = [];
  const lookUp = async (batch: ReadonlyMap<AgentId, Endpoint>): Promise<boolean> => {
    const found = await registry.lookup([...batch.keys()]);
    if (found.kind !== 'found') return false;
    for (const [agentId, presence] of found.agents) {
      const endpoint = batch.get(agentId as AgentId);
      if (endpoint !== undefined && isLost(endpoint, presence)) lost.push(endpoint.num);
    }
    return true;
  };
  const lookUpAll = async (): Promise<boolean> => {
    let batch = new Map<AgentId, Endpoint>();
    for (const endpoint of directory.endpoints(org)) {
      if (endpoint.revoked !== undefined || has(endpoint.num)) continue;
      if (!isInScope(endpoint, 'live') && !isInScope(endpoint, 'poll')) continue;
      batch.set(endpoint.agentId, endpoint);
      if (batch.size < BATCH) continue;
      if (!(await lookUp(batch))) return false;
      batch = new Map();
    }
    return batch.size === 0 || lookUp(batch);
  };
  const patience = new AbortController();
  try {
    const tooLate = sleep(clock, PATIENCE_MS, patience.signal).then(() => false);
    return (await Promise.race([lookUpAll(), tooLate])) ? lost : undefined;
  } finally {
    patience.abort();
  }
}
