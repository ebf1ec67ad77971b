import { z } from 'zod';
import { label, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';

/** The events that a webhook may ask for. */
export const WEBHOOK_EVENTS = [
  'agent.enrolled',
  'agent.revoked',
  'health.changed',
  'query.ended',
  'hunt.found',
  'command.approval_wanted',
  'command.ended',
  'isolation.begun',
  'isolation.ended',
  'scan.regressed',
  'audit.recorded',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Events that are about one endpoint: a selector bounds these alone. */
export const ENDPOINT_EVENTS: readonly WebhookEvent[] = [
  ...(['agent.enrolled', 'agent.revoked', 'health.changed', 'isolation.begun', 'isolation.ended'] as const),
];

const webhookSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.enum(WEBHOOK_EVENTS)),
    selector: z.string().optional().meta({ description: 'Bounds the endpoints whose events are told.' }),
    createdBy: z.string().meta({ description: 'The id of who made it.' }),
    createdAt: timestamp,
  })
  .meta({ id: 'Webhook' });

const createdSchema = z
  .object({
    ...webhookSchema.shape,
    secret: z.string().optional().meta({
      description: 'The secret that was made for it; it is told this once. Absent where the caller gave one.',
    }),
  })
  .meta({ id: 'CreatedWebhook' });

const createSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'must be an https:// or http:// URL' })
    .max(2_000)
    .refine((text) => !URL.canParse(text) || new URL(text).username + new URL(text).password === '', {
      error: 'must not hold a user or a password',
    })
    .meta({ description: 'Where deliveries are posted. Plain http only to networks that the installation allows.' }),
  events: z
    .array(z.enum(WEBHOOK_EVENTS))
    .min(1)
    .refine((events) => new Set(events).size === events.length, 'must not hold an event twice'),
  selector: selectorText.optional().meta({
    description:
      'Only events of these endpoints; joined with the bound of who makes it. Only for events about one endpoint.',
  }),
  secret: z
    .string()
    .regex(/^[\x21-\x7e]{16,200}$/, 'must have 16 to 200 printable ASCII characters')
    .optional()
    .meta({ description: 'Signs deliveries. One is made where none is given.' }),
});

const deliverySchema = z
  .object({
    id: z.string().meta({ description: 'The id of the event: the same in each attempt.' }),
    event: z.string(),
    state: z
      .enum(['pending', 'delivered', 'dead', 'dropped'])
      .meta({ description: '`dead`: given up after a day. `dropped`: too many were pending.' }),
    attempts: z.int().nonnegative(),
    createdAt: timestamp,
    lastAttemptAt: timestamp.optional(),
    lastStatus: z.int().optional().meta({ description: 'The status of the last answer; 0 where there was none.' }),
    lastError: z.string().optional(),
    nextAttemptAt: timestamp.optional(),
  })
  .meta({ id: 'WebhookDelivery' });

const idParameter = z.object({ id: z.string().regex(/^w[a-z2-7]{16}$/, 'is not the id of a webhook') });

export const webhookOperations = defineOperations('webhooks', {
  listWebhooks: {
    method: 'get',
    path: '/v1/webhooks',
    action: 'webhook.list',
    summary: 'Webhooks, without their secrets',
    access: 'webhooks:manage',
    query: z.strictObject({ limit: limitParameter(100, 1_000), cursor: cursorParameter }),
    answers: {
      200: jsonAnswer(
        'A page, in the order of ids.',
        z.object({ items: z.array(webhookSchema), nextCursor }).meta({ id: 'WebhookPage' }),
      ),
    },
    problems: ['bad_cursor'],
  },
  createWebhook: {
    method: 'post',
    path: '/v1/webhooks',
    action: 'webhook.create',
    audited: true,
    summary: 'Have events posted to a URL',
    description:
      'Each event is posted as JSON with the header `Muster-Signature: t=<seconds>,v1=<hex>`: HMAC-SHA256 with the secret over `<seconds>.<body>`. Any 2xx is taken as received; ' +
      'otherwise it is sent again for a day. An event may come more than once, with the same id.',
    access: 'webhooks:manage',
    body: createSchema,
    idempotent: true,
    answers: {
      201: {
        description: 'The webhook.',
        content: { 'application/json': createdSchema },
        headers: { location: 'Where to delete it.' },
      },
    },
    problems: ['bad_selector', 'conflict', 'idempotency_mismatch', 'too_large', 'unsupported_media_type'],
  },
  deleteWebhook: {
    method: 'delete',
    path: '/v1/webhooks/{id}',
    action: 'webhook.delete',
    audited: true,
    summary: 'End a webhook; what is pending is not delivered',
    access: 'webhooks:manage',
    params: idParameter,
    answers: { 204: { description: 'It is told nothing any more.' } },
    problems: ['not_found'],
  },
  listWebhookDeliveries: {
    method: 'get',
    path: '/v1/webhooks/{id}/deliveries',
    action: 'webhook.deliveries',
    summary: 'What became of the events of the last three days, what changed last first',
    access: 'webhooks:manage',
    params: idParameter,
    query: z.strictObject({
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
      state: z.enum(['pending', 'delivered', 'dead', 'dropped']).optional(),
    }),
    answers: {
      200: jsonAnswer(
        'A page.',
        z.object({ items: z.array(deliverySchema), nextCursor }).meta({ id: 'WebhookDeliveryPage' }),
      ),
    },
    problems: ['bad_cursor', 'not_found'],
  },
  testWebhook: {
    method: 'post',
    path: '/v1/webhooks/{id}/test',
    action: 'webhook.test',
    audited: true,
    summary: 'Send an event of type `webhook.test`',
    access: 'webhooks:manage',
    params: idParameter,
    answers: {
      202: jsonAnswer(
        'It will be delivered like any other event.',
        z.object({ id: label(100) }).meta({ id: 'WebhookTest' }),
      ),
    },
    problems: ['not_found'],
  },
});

export type WebhookJson = Json<typeof webhookSchema>;
export type WebhookDeliveryJson = Json<typeof deliverySchema>;
