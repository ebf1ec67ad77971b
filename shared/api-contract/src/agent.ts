import { SESSION_MODES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, platform, timestamp } from './fields.js';
import type { Json } from './operation.js';

const labels = z.record(z.string(), z.string());

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

const modeName = z.enum(SESSION_MODES);

const modeOverrideSchema = z
  .object({
    mode: modeName,
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

const fallbackSchema = z
  .object({
    mode: modeName.meta({ description: 'The channel over which it said so: `live` when it was back.' }),
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
    os: platform,
    arch: z.string(),
    osName: z.string(),
    osVersion: z.string(),
    agentVersion: z.string(),
    labels: labels.meta({ description: 'What selectors see: those of operators over those of the agent.' }),
    agentLabels: labels,
    operatorLabels: labels,
    enrolledAt: timestamp,
    factsAt: timestamp.meta({ description: 'When it last told of itself.' }),
    presence: presenceSchema,
    mode: modeName.optional().meta({ description: 'The channel of its session; absent while it has none.' }),
    wanted: modeOverrideSchema.optional(),
    away: fallbackSchema.optional(),
    revoked: z.object({ by: z.string(), reason: z.string(), at: timestamp }).optional(),
    duplicate: z
      .object({ at: timestamp, refusedHost: z.string(), refusedAddress: z.string() })
      .optional()
      .meta({ description: 'The last time that another machine presented this identity.' }),
  })
  .meta({ id: 'Agent' });

// More values than a person looks at, fewer than a label that names each machine has.
export const MAX_LABEL_VALUES = 1_000;

export const agentCountsParameter = z
  .string()
  .max(1_000)
  .transform((text) => text.split(',').filter((key) => key !== ''))
  .pipe(z.array(z.string()).max(8))
  .meta({
    description:
      'Labels between commas, at most 8, to count the selected agents by: `os,env`. Empty for the totals alone.',
  });

export const agentCountsSchema = z
  .object({
    total: count,
    live: count.nullable().meta({ description: 'Connected by WebSocket; null when nobody knows.' }),
    poll: count.nullable(),
    offline: count.nullable(),
    labels: z.record(z.string(), z.record(z.string(), count)).meta({
      description: `By label and value; agents without the label are not in it. At most ${MAX_LABEL_VALUES} values each, the most frequent.`,
    }),
  })
  .meta({ id: 'AgentCounts' });

export const labelsEditedSchema = z.object({ matched: count, changed: count, unchanged: count, failed: count }).meta({
  id: 'LabelsEdited',
  description: '`failed` ones could not be kept: repeat the call, which changes nothing twice.',
});

export type PresenceJson = Json<typeof presenceSchema>;
export type AgentJson = Json<typeof agentSchema>;
export type AgentCountsJson = Json<typeof agentCountsSchema>;
