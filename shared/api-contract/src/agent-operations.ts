import { labelKeyFault, labelsSchema, LIMITS, SESSION_MODES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { agentSchema, agentCountsParameter, agentCountsSchema, labelsEditedSchema } from './agent.js';
import {
  agentIdParameter,
  agentIdList,
  count,
  duration,
  label,
  reasonText,
  selectorText,
  timestamp,
} from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, idPrefixParameter, limitParameter, nextCursor } from './paging.js';

const changeShape = {
  set: labelsSchema.default({}),
  remove: z
    .array(z.string())
    .max(LIMITS.labels)
    .default([])
    .superRefine((keys, context) => {
      for (const key of keys) {
        const fault = labelKeyFault(key);
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
      }
    })
    .meta({ description: 'Names of labels that operators set; those that the agent gives itself then show again.' }),
};

const labelListSchema = z
  .object({
    endpoints: count.meta({ description: 'How many endpoints were looked at.' }),
    items: z.array(
      z.object({
        key: z.string(),
        endpoints: count.meta({ description: 'How many have it.' }),
        distinct: count.meta({ description: 'How many values there are.' }),
        values: z.array(z.object({ value: z.string(), endpoints: count })),
      }),
    ),
  })
  .meta({ id: 'LabelList' });
export type LabelListJson = Json<typeof labelListSchema>;

/** Where the selector requires something of `health`. */
const HEALTH_PROBLEMS = ['no_telemetry_service', 'timeout'] as const;
const BODY_PROBLEMS = ['too_large', 'unsupported_media_type', 'conflict', 'idempotency_mismatch'] as const;

const MIN_LEASE_MS = 1_000;
const MAX_LEASE_MS = 30 * 24 * 3_600_000;

export const modeRequestSchema = z
  .strictObject({
    selector: selectorText.optional(),
    agentIds: agentIdList.optional(),
    mode: z.enum([...SESSION_MODES, 'default']).meta({
      description:
        'Which channel to use; `default` withdraws earlier orders, so that the policy of the gateways counts.',
    }),
    interval: duration(
      LIMITS.pollIntervalMinMs,
      LIMITS.pollIntervalMaxMs,
      'bad_request',
      'Between two polls, for as long as it polls: `60s`, or milliseconds. Without it the policy says.',
    ).optional(),
    for: duration(
      MIN_LEASE_MS,
      MAX_LEASE_MS,
      'bad_request',
      'A lease: after so long it is as if nothing had been ordered. `2h`, or milliseconds.',
    ).optional(),
    reason: reasonText.optional().meta({ description: 'Why, for people and for the audit record.' }),
  })
  .superRefine((request, context) => {
    const fault = (message: string): void => context.addIssue({ code: 'custom', message });
    if ((request.selector === undefined) === (request.agentIds === undefined)) {
      fault('give selector or agentIds, and not both; the empty selector means all');
    }
    if (request.mode === 'default' && (request.interval !== undefined || request.for !== undefined)) {
      fault('mode default has no interval and no lease: the policy says how it goes on');
    }
  });

const modeRequestedSchema = z
  .object({
    matched: count,
    changed: count,
    unchanged: count,
    failed: count.meta({ description: 'Could not be kept: repeat the call, which changes nothing twice.' }),
    connected: z
      .object({
        live: count
          .nullable()
          .meta({ description: 'They hear of it at once. Null when nobody knows who is connected.' }),
        poll: count.nullable().meta({ description: 'They hear of it when they next poll.' }),
        offline: count.nullable().meta({ description: 'They hear of it when they return.' }),
        pollBy: timestamp.optional().meta({
          description: 'When the last of those that poll has come. Only where an order told each of them its interval.',
        }),
      })
      .meta({ description: 'How the matched agents are connected now.' }),
  })
  .meta({ id: 'ModeOrdered' });

export const agentOperations = defineOperations('agents', {
  listAgents: {
    method: 'get',
    path: '/v1/agents',
    action: 'agent.list',
    summary: 'Enrolled agents in the order of enrolment, and counts of them',
    access: 'agents:read',
    query: z.strictObject({
      selector: selectorText.default(''),
      id: idPrefixParameter,
      revoked: z.enum(['exclude', 'include', 'only']).default('exclude'),
      counts: agentCountsParameter.optional(),
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer(
        'A page.',
        z
          .object({ items: z.array(agentSchema), nextCursor, counts: agentCountsSchema.optional() })
          .meta({ id: 'AgentPage' }),
      ),
    },
    problems: ['bad_selector', 'bad_cursor', ...HEALTH_PROBLEMS],
  },
  listLabels: {
    method: 'get',
    path: '/v1/labels',
    action: 'label.list',
    summary: 'The labels of endpoints and their values, with how many endpoints have each',
    description:
      'Built-in labels are among them, but for `id` and `host`, which tell endpoints apart, and `health`. Of each label the 100 most frequent values.',
    access: 'agents:read',
    query: z.strictObject({ selector: selectorText.default('') }),
    answers: { 200: jsonAnswer('All of them, by name.', labelListSchema) },
    problems: ['bad_selector', ...HEALTH_PROBLEMS],
  },
  showAgent: {
    method: 'get',
    path: '/v1/agents/{id}',
    action: 'agent.show',
    summary: 'One agent',
    access: 'agents:read',
    params: agentIdParameter,
    answers: { 200: jsonAnswer('The agent.', agentSchema) },
    problems: ['not_found'],
  },
  revokeAgent: {
    method: 'post',
    path: '/v1/agents/{id}/revoke',
    action: 'agent.revoke',
    audited: true,
    summary: 'End the trust in an agent: its session is closed within seconds, and its key is never accepted again',
    access: 'agents:revoke',
    params: agentIdParameter,
    body: z.strictObject({ reason: label(500) }),
    idempotent: true,
    ends: true,
    answers: { 200: jsonAnswer('The agent, revoked. It was already, if the time is older.', agentSchema) },
    problems: ['not_found', ...BODY_PROBLEMS],
  },
  labelAgent: {
    method: 'patch',
    path: '/v1/agents/{id}/labels',
    action: 'agent.label',
    audited: true,
    summary: "Set and remove an agent's labels",
    access: 'agents:label',
    params: agentIdParameter,
    body: z.strictObject(changeShape),
    idempotent: true,
    answers: { 200: jsonAnswer('The agent as it is now.', agentSchema) },
    problems: ['not_found', ...BODY_PROBLEMS],
  },
  labelAgents: {
    method: 'post',
    path: '/v1/agents/labels',
    action: 'agent.label_many',
    audited: true,
    summary: 'Set and remove labels of all agents that a selector selects',
    access: 'agents:label',
    body: z.strictObject({
      selector: selectorText.meta({ description: 'Must be given; the empty one selects every agent.' }),
      ...changeShape,
    }),
    idempotent: true,
    answers: { 200: jsonAnswer('How many were changed.', labelsEditedSchema) },
    problems: ['bad_selector', ...HEALTH_PROBLEMS, ...BODY_PROBLEMS],
  },
  orderMode: {
    method: 'post',
    path: '/v1/agents/mode',
    action: 'agent.mode',
    audited: true,
    summary: 'Order agents to use Live or Poll, or to do as the policy says',
    description:
      'Kept until it is replaced, withdrawn, or its lease is over. An agent that cannot do both, or whose own settings pin one, stays as it is.',
    access: 'agents:mode',
    body: modeRequestSchema,
    idempotent: true,
    answers: { 200: jsonAnswer('What was ordered, and who hears of it when.', modeRequestedSchema) },
    problems: ['bad_selector', 'not_found', ...HEALTH_PROBLEMS, ...BODY_PROBLEMS],
  },
});

export type ModeRequest = z.output<typeof modeRequestSchema>;
export type ModeRequestedJson = Json<typeof modeRequestedSchema>;
