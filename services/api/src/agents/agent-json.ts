import { activeModeOverride, type Endpoint } from '@muster/directory';
import { given, isoTime } from '../http/json-members.js';
import type { AgentJson, PresenceJson } from '@muster/api-contract';
import type { Presence } from '@muster/registry';

/** `known` is the presence of agents; `undefined` when the registry is unreachable. */
export function agentJson(
  endpoint: Endpoint,
  known: ReadonlyMap<string, Presence> | undefined,
  nowMs: number,
): AgentJson {
  const { agentId, num, facts, labels, agentLabels, operatorLabels, revoked, duplicate } = endpoint;
  return {
    agentId,
    num,
    ...facts,
    labels,
    agentLabels,
    operatorLabels,
    enrolledAt: isoTime(endpoint.enrolledAtMs),
    factsAt: isoTime(endpoint.seenAtMs),
    presence: known === undefined ? { state: 'unknown' as const } : presenceJson(known.get(agentId)),
    ...given('mode', known?.get(agentId)?.session?.mode),
    ...modesJson(endpoint, nowMs),
    ...(revoked === undefined
      ? {}
      : { revoked: { by: revoked.by, reason: revoked.reason, at: isoTime(revoked.atMs) } }),
    ...(duplicate === undefined
      ? {}
      : {
          duplicate: {
            at: isoTime(duplicate.atMs),
            refusedHost: duplicate.refusedHost,
            refusedAddress: duplicate.refusedAddress,
          },
        }),
  };
}

function modesJson({ modeOverride, fallback }: Endpoint, nowMs: number) {
  const override = activeModeOverride(modeOverride, nowMs);
  return {
    ...given(
      'wanted',
      override && {
        mode: override.mode,
        ...given('intervalMs', override.intervalMs),
        ...given('until', override.untilMs === undefined ? undefined : isoTime(override.untilMs)),
        ...{ reason: override.reason, by: override.by, at: isoTime(override.atMs) },
      },
    ),
    ...given(
      'away',
      fallback && {
        mode: fallback.mode,
        forMs: fallback.forMs,
        failures: fallback.failures,
        why: fallback.why,
        at: isoTime(fallback.atMs),
      },
    ),
  };
}

function presenceJson(presence: Presence | undefined): PresenceJson {
  if (presence === undefined) return { state: 'offline' as const };
  const { session, lastSeenMs } = presence;
  if (session === undefined) return { state: 'offline' as const, lastSeenAt: isoTime(lastSeenMs) };
  const { mode, gatewayId, connectedAtMs } = session;
  return { state: mode, gatewayId, connectedAt: isoTime(connectedAtMs), lastSeenAt: isoTime(lastSeenMs) };
}
