import { activeModeOverride } from '@muster/directory';
import type { AgentId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type ModeOverrideRecord } from '@muster/records';
import type { Presence } from '@muster/registry';
import type { NatsServer } from '../brokers/nats-server.js';
import type { Endpoint } from '../nodes/endpoint.js';
import type { GatewayNode } from '../nodes/gateway-node.js';
import { ORG } from '../nodes/identities.js';
import type { FaultLog } from './fault-log.js';

interface SessionFacts {
  readonly nats: NatsServer;
  readonly faults: FaultLog;
  readonly nowMs: number;
  readonly presence: ReadonlyMap<string, Presence> | undefined;
}

/** By then a gateway has registered its sessions again, whatever happened to Redis. */
const REGISTERED_MS = 25_000;

/** So long after a decision is kept its endpoint has its session over the channel that it says, besides its interval. */
const TOLD_WITHIN_MS = 5_000;
/** What a fault has disturbed is over by then. */
const CALM_MS = 20_000;

/** The promises of sessions at the end of a history. */
export const SESSION_PROPERTIES = {
  'an endpoint that runs has a session': ({ process, readySinceMs }: Endpoint) =>
    process.state === 'up' && readySinceMs === undefined ? 'it has none' : undefined,

  'the registry says where a session is': (
    { readySinceMs, sessionSinceMs, epoch, identity }: Endpoint,
    { nowMs, presence }: SessionFacts,
  ) => {
    const forMs = nowMs - sessionSinceMs;
    if (readySinceMs === undefined || forMs < REGISTERED_MS || presence === undefined) return undefined;
    const held = presence.get(identity.agentId)?.session;
    if (held?.epoch === epoch) return undefined;
    return held === undefined
      ? `it is in no registry, and has its session for ${Math.round(forMs)} ms`
      : `it has epoch ${epoch}, and the registry ${held.epoch}`;
  },

  'the registry says which channel a session has': (
    { mode, epoch, identity }: Endpoint,
    { presence }: SessionFacts,
  ) => {
    const held = presence?.get(identity.agentId)?.session;
    if (mode === undefined || held?.epoch !== epoch || held?.mode === mode) return undefined;
    return `it has ${mode}, and the registry ${held?.mode}`;
  },

  'what is sent to one that polls arrives once and in order': ({ gaps }: Endpoint) =>
    gaps.length > 0 ? gaps.join('; ') : undefined,

  'an endpoint uses the channel that it is told to': (endpoint: Endpoint, { nats, faults, nowMs }: SessionFacts) => {
    const { process, mode, identity, sessionSinceMs, slowestMs } = endpoint;
    const kept = lastOverride(nats, identity.agentId);
    if (process.state !== 'up' || mode === undefined || faults.haveWrongClock('')) return undefined;
    const told = activeModeOverride(kept?.record, process.wallMs)?.mode ?? 'live';
    // How long it takes when nothing is in the way; after faults, as long as everything may take.
    if (mode !== told) return `it has ${mode} and is told to use ${told}`;
    if (kept === undefined || kept.record.untilMs !== undefined) return undefined;
    const lateMs = sessionSinceMs - kept.atMs - slowestMs;
    if (lateMs <= TOLD_WITHIN_MS || faults.touch(kept.atMs - CALM_MS, sessionSinceMs)) return undefined;
    return nowMs > sessionSinceMs ? `it took ${Math.round(lateMs)} ms to change to ${told}` : undefined;
  },
} as const satisfies Record<string, (endpoint: Endpoint, facts: SessionFacts) => string | undefined>;

/** The promises of sessions at every moment, of what a gateway sends over Live. */
export const GATEWAY_PROPERTIES = {
  // Its endpoints may be elsewhere by then: it has given all up before it says anything in a session again.
  'no session belongs to two gateways after its lease': ({ late }: GatewayNode) => late[0],
} as const satisfies Record<string, (gateway: GatewayNode) => string | undefined>;

/** The last decision on the channel of an endpoint, and when it was kept. */
function lastOverride(nats: NatsServer, agentId: AgentId) {
  const subject = STREAM_SUBJECTS.mode(ORG, agentId);
  const entry = nats.store.stream(STREAMS.identities.name).entries.findLast((each) => each.subject === subject);
  return entry && { atMs: entry.timestampMs, record: decodeRecord<ModeOverrideRecord>(entry.data) };
}
