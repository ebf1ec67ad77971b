import type { Part } from '../system/parts.js';
import type { KeptQuery, QueryObservation } from '../record/observations.js';
import { CONNECTED_BEFORE_MS } from './bounds.js';
import { isPlanned } from '../faults/fault.js';
import type { FaultLog } from './fault-log.js';
import type { PresenceIndex } from './presence-index.js';
import { endOf, ledgerText } from './rows-and-ledger.js';
import type { Violation } from './violation.js';

/** Faults of these may take sessions or the gateway's word of them away. */
const CARRIERS: readonly Part[] = ['gateway-1', 'gateway-2', 'nats'];
/** How long after such a fault its effects on a query are no surprise. */
const AFTERMATH_MS = 20_000;

export interface TargetFacts {
  readonly presence: PresenceIndex;
  readonly faults: FaultLog;
}

/** An endpoint that was connected all the time from before the question is one of its targets: heard or not, never "offline". */
export function liveAreTargets(
  observation: QueryObservation,
  kept: KeptQuery,
  { presence }: Pick<TargetFacts, 'presence'>,
): Violation[] {
  const { query, agents } = kept;
  if (query.state !== 'complete') return [];
  const live = presence.throughout(Date.parse(query.createdAt) - CONNECTED_BEFORE_MS, endOf(kept));
  const ids = [`ask ${observation.ask}`, query.id];
  const told = `${query.state}, ${query.mode}, ${ledgerText(query.ledger)}, offline ${query.offline}`;
  const told_ = { atMs: Date.parse(query.createdAt), ids, told };
  if (query.ledger.targeted === 0 && live.length > 0)
    return [{ rule: 'complete is not "nobody was asked"', ...told_, truth: `${live.length} endpoints were connected` }];
  if (query.ledger.targeted < live.length)
    return [
      { rule: 'who is live is a target', ...told_, truth: `${live.length} endpoints were connected all the time` },
    ];
  if (agents === undefined) return [];
  const named = new Set([...agents, ...kept.failures.map(({ agentId }) => agentId)]);
  const missing = live.filter((agentId) => !named.has(agentId));
  if (missing.length === 0) return [];
  const truth = `connected all the time and not named: ${missing.slice(0, 5).join(' ')} (${missing.length} in all)`;
  return [{ rule: 'who is live is a target', ...told_, truth }];
}

/** A fault that takes no session away costs no endpoint: who was connected all the time is not called gone. */
export function liveAreNotLost(
  { ask }: QueryObservation,
  kept: KeptQuery,
  { presence, faults }: TargetFacts,
): Violation[] {
  const { query, failures } = kept;
  const [fromMs, toMs] = [Date.parse(query.createdAt), endOf(kept)];
  if (query.state !== 'complete') return [];
  // What leaves in good order takes no session away.
  if (!faults.touching(fromMs - AFTERMATH_MS, toMs, CARRIERS).every(({ fault }) => isPlanned(fault))) return [];
  const live = new Set(presence.throughout(fromMs - CONNECTED_BEFORE_MS, toMs));
  const lost = failures.filter(
    ({ agentId, outcome }) => live.has(agentId ?? '') && (outcome === 'unreachable' || outcome === 'disconnected'),
  );
  if (lost.length === 0) return [];
  const told = `${lost.length} are lost: ${lost[0]?.agentId} ${lost[0]?.outcome} ${lost[0]?.code}`;
  const truth = 'they were connected all the time, and no gateway and no NATS was at fault';
  return [{ rule: 'who is live is not lost', atMs: toMs, ids: [`ask ${ask}`, query.id], told, truth }];
}
