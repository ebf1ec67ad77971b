import type { Directory, Endpoint } from '@muster/directory';
import type { AgentId, SessionMode } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Presence } from '@muster/registry';
import { filterInTurns, sleep, visitInTurns, type Clock } from '@muster/runtime';
import { queryScope } from './query-scope.js';
import { LOST_MS, type KnownGateways } from '../liveness/gateway-failure-detector.js';
import type { HeldSessions } from '../liveness/held-sessions.js';
import type { RecentPresence } from '../liveness/recent-presence.js';

/** Who is in a query's ledger, and which gateways have said whom they ask. */
export interface AskedEndpoints {
  /** When the query was sent to the gateways; monotonic. */
  readonly sentMs: number;
  readonly has: (num: number) => boolean;
  readonly speaks: (gateway: string) => boolean;
}

export interface LostEndpoints {
  readonly nums: readonly number[];
  /** There are no others. */
  readonly isComplete: boolean;
}

export interface FindLostDeps {
  readonly directory: Pick<Directory, 'endpoints' | 'byNum'>;
  readonly presence: Pick<RecentPresence, 'lookup'>;
  readonly held: Pick<HeldSessions, 'heldBy' | 'knows'>;
  readonly gateways: () => KnownGateways;
  readonly clock: Clock;
}

type Scope = Pick<QueryRecord, 'org' | 'scope' | 'among' | 'createdAtMs'>;
type IsInScope = (endpoint: Endpoint, mode: SessionMode) => boolean;

/** A registry that hangs must not keep a query from its end. */
const PATIENCE_MS = 1_000;
const BATCH = 5_000;

/**
 * Endpoints in a query's scope that nobody asked although they were live a moment ago: a gateway that does not speak held them when it was
 * last heard. The registry is asked where this process does not know whom such a gateway held when the query was sent: the gateway has not
 * been heard since, so sessions may have begun there of which it did not say any more; or this process was not there, or missed something.
 */
export async function findLost(deps: FindLostDeps, scope: Scope, asked: AskedEndpoints): Promise<LostEndpoints> {
  const matches = queryScope(scope);
  if (matches === undefined) return { nums: [], isComplete: true };
  const isInScope: IsInScope = (endpoint, mode) =>
    endpoint.org === scope.org && endpoint.revoked === undefined && !asked.has(endpoint.num) && matches(endpoint, mode);
  const known = deps.gateways();
  const silent = known.ids.filter((id) => !asked.speaks(id));
  const lost = new Set<number>();
  for (const gateway of silent) {
    await visitInTurns(deps.held.heldBy(gateway), ([num, mode]) => {
      const endpoint = deps.directory.byNum(num);
      if (endpoint !== undefined && isInScope(endpoint, mode)) lost.add(num);
    });
  }
  if (known.isComplete && silent.every((id) => deps.held.knows(id, asked.sentMs)))
    return { nums: [...lost], isComplete: true };
  const isComplete = await lookUpLost(deps, scope, { ...asked, isInScope, lost });
  return { nums: [...lost], isComplete };
}

/** Adds to `lost` whom the registry names. False when it does not answer in time. */
async function lookUpLost(
  { directory, presence, clock }: FindLostDeps,
  { org, createdAtMs }: Scope,
  {
    speaks,
    isInScope,
    lost,
  }: Pick<AskedEndpoints, 'speaks'> & {
    readonly isInScope: IsInScope;
    readonly lost: Set<number>;
  },
): Promise<boolean> {
  const isLost = (endpoint: Endpoint, { session, lapsed, lastSeenMs }: Presence): boolean => {
    const held = session ?? (lastSeenMs >= createdAtMs - LOST_MS ? lapsed : undefined);
    return held !== undefined && !speaks(held.gatewayId) && isInScope(endpoint, held.mode);
  };
  const lookUp = async (batch: ReadonlyMap<AgentId, Endpoint>): Promise<boolean> => {
    const found = await presence.lookup([...batch.keys()]);
    if (found === undefined) return false;
    for (const [agentId, endpoint] of batch) {
      const last = found.get(agentId);
      if (last !== undefined && isLost(endpoint, last)) lost.add(endpoint.num);
    }
    return true;
  };
  const lookUpAll = async (): Promise<boolean> => {
    const asked = await filterInTurns(
      directory.endpoints(org),
      (endpoint) => !lost.has(endpoint.num) && (isInScope(endpoint, 'live') || isInScope(endpoint, 'poll')),
    );
    for (let at = 0; at < asked.length; at += BATCH) {
      const batch = new Map(asked.slice(at, at + BATCH).map((endpoint) => [endpoint.agentId, endpoint]));
      if (!(await lookUp(batch))) return false;
    }
    return true;
  };
  const patience = new AbortController();
  try {
    const tooLate = sleep(clock, PATIENCE_MS, patience.signal).then(() => false);
    return await Promise.race([lookUpAll(), tooLate]);
  } finally {
    patience.abort();
  }
}
