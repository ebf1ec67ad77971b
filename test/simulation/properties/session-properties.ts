import type { Presence } from '@muster/registry';
import type { Endpoint } from '../nodes/endpoint.js';

interface SessionFacts {
  readonly nowMs: number;
  readonly presence: ReadonlyMap<string, Presence> | undefined;
}

/** By then a gateway has registered its sessions again, whatever happened to Redis. */
const REGISTERED_MS = 25_000;

/** The promises of sessions at the end of a history. */
export const SESSION_PROPERTIES = {
  'an endpoint that runs has a session': ({ process, readySinceMs }: Endpoint) =>
    process.state === 'up' && readySinceMs === undefined ? 'it has none' : undefined,

  'the registry says where a session is': (
    { readySinceMs, epoch, identity }: Endpoint,
    { nowMs, presence }: SessionFacts,
  ) => {
    if (readySinceMs === undefined || nowMs - readySinceMs < REGISTERED_MS || presence === undefined) return undefined;
    const held = presence.get(identity.agentId)?.session;
    if (held?.epoch === epoch) return undefined;
    return held === undefined
      ? `it is in no registry, and has its session for ${Math.round(nowMs - readySinceMs)} ms`
      : `it has epoch ${epoch}, and the registry ${held.epoch}`;
  },
} as const satisfies Record<string, (endpoint: Endpoint, facts: SessionFacts) => string | undefined>;
