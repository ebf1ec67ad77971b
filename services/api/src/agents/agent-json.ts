import { activeModeOverride, type Endpoint } from '@muster/directory';
import { SESSION_MODES } from '@muster/protocol';
import type { Presence } from '@muster/registry';
import { z } from 'zod';
import { given } from '../http/given.js';
import { count, timestamp } from '../http/schemas.js';
import { isoTime } from '../queries/query-json.js';

const labelsSchema = z.record(z.string(), z.string());

export const presenceSchema = z
  .object({
    state: z.enum(['live', 'poll', 'offline', 'unknown']).meta({
      description: '`unknown`: what knows who is connected is out of reach. Queries reach agents all the same.',
    }),
    gatewayId: z.string().optional(),
    connectedAt: timestamp.optional(),
    lastSeenAt: timestamp.optional(),
  })
  .meta({ id: 'Presence' });

const modeSchema = z.enum(SESSION_MODES);

const wantedSchema = z
  .object({
    mode: modeSchema,
    intervalMs: count
      .optional()
      .meta({ description: 'Between two polls; absent: as the policy of the gateways says.' }),
    until: timestamp.optional().meta({ description: 'When the lease is over.' }),
    reason: z.string(),
    by: z.string(),
    at: timestamp,
  })
  .meta({
    id: 'WantedMode',
    description: 'What operators have ordered; absent while the policy of the gateways counts.',
  });

const awaySchema = z
  .object({
    mode: modeSchema.meta({ description: 'The channel over which it said so: `live` when it was back.' }),
    forMs: count.meta({ description: 'For how long it had been away by then.' }),
    failures: count,
    why: z.string(),
    at: timestamp,
  })
  .meta({ id: 'Away', description: 'The last time that it told that it could not use Live although it was to.' });

export const agentSchema = z
  .object({
    agentId: z.string(),
    num: count.meta({ description: "The agent's number, unique in the deployment." }),
    host: z.string(),
    os: z.enum(['linux', 'windows', 'darwin']),
    arch: z.string(),
    osName: z.string(),
    osVersion: z.string(),
    agentVersion: z.string(),
    labels: labelsSchema.meta({ description: 'What selectors see: those of operators over those of the agent.' }),
    agentLabels: labelsSchema,
    operatorLabels: labelsSchema,
    enrolledAt: timestamp,
    factsAt: timestamp.meta({ description: 'When it last told of itself.' }),
    presence: presenceSchema,
    mode: modeSchema.optional().meta({ description: 'The channel of its session; absent while it has none.' }),
    wanted: wantedSchema.optional(),
    away: awaySchema.optional(),
    revoked: z.object({ by: z.string(), reason: z.string(), at: timestamp }).optional(),
    duplicate: z
      .object({ at: timestamp, refusedHost: z.string(), refusedAddress: z.string() })
      .optional()
      .meta({ description: 'The last time that another machine presented this identity.' }),
  })
  .meta({ id: 'Agent' });

/** An agent as people see it at `nowMs`. `known` is what the registry says of any agents; `undefined` when it cannot be asked. */
export function agentJson(endpoint: Endpoint, known: ReadonlyMap<string, Presence> | undefined, nowMs: number) {
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

function presenceJson(presence: Presence | undefined) {
  if (presence === undefined) return { state: 'offline' as const };
  const { session, lastSeenMs } = presence;
  if (session === undefined) return { state: 'offline' as const, lastSeenAt: isoTime(lastSeenMs) };
  const { mode, gatewayId, connectedAtMs } = session;
  return { state: mode, gatewayId, connectedAt: isoTime(connectedAtMs), lastSeenAt: isoTime(lastSeenMs) };
}
