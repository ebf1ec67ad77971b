import { randomBytes } from 'node:crypto';
import {
  ENDPOINT_EVENTS,
  operations,
  type WebhookDeliveryJson,
  type WebhookEvent,
  type WebhookJson,
} from '@muster/api-contract';
import { AppError, joinSelectors } from '@muster/protocol';
import type { WebhookRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { decodeCursor, encodeCursor, idPosition, position } from '../http/cursor.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { checkSteady } from '../http/steady-selector.js';
import type { Principal } from '../http/principal.js';
import type { DeliveryStore, KeptDelivery } from './delivery-store.js';
import type { Destinations } from './destination.js';
import { newWebhookId, type KeptWebhook, type WebhookStore } from './webhook-store.js';

export interface WebhookParts {
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly destinations: Destinations;
  readonly clock: Clock;
}

/** Each webhook costs a delivery for each event. */
const MAX_PER_ORG = 20;

/** Webhooks and what became of their deliveries. */
export function webhookOperations(parts: WebhookParts): Operation[] {
  return [
    listOperation(parts),
    createOperation(parts),
    deleteOperation(parts),
    deliveriesOperation(parts),
    testOperation(parts),
  ];
}

function listOperation({ webhooks }: WebhookParts): Operation {
  return implement(operations.listWebhooks, ({ principal, query: { limit, cursor } }) => {
    const after = cursor === undefined ? '' : decodeCursor('webhooks', cursor, [idPosition])[0];
    const rest = webhooks.list(principal.org).filter(({ record }) => record.id > after && mayManage(principal, record));
    const page = rest.slice(0, limit);
    const last = page.at(-1);
    return json(200, {
      items: page.map(({ record }) => webhookJson(record)),
      ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('webhooks', [last.record.id]) } : {}),
    });
  });
}

function createOperation({ webhooks, destinations, clock }: WebhookParts): Operation {
  return implement(operations.createWebhook, async ({ principal, body, note }) => {
    const selector = joinSelectors(body.selector, principal.selector);
    checkSteady(selector);
    const id = newWebhookId();
    note({ subject: id, scope: selector, details: { url: new URL(body.url).origin, events: body.events } });
    const wide = body.events.find((event) => !ENDPOINT_EVENTS.includes(event));
    if (wide !== undefined && principal.bound.length > 0)
      throw new AppError('forbidden', `${wide} tells of all endpoints, and a selector bounds your token`);
    if (wide !== undefined && selector !== '')
      throw new AppError('bad_request', `body.selector: ${wide} is not about one endpoint`);
    destinations.check(body.url);
    if (webhooks.list(principal.org).length >= MAX_PER_ORG)
      throw new AppError('conflict', `there are ${MAX_PER_ORG} webhooks; delete one first`);
    const made = body.secret === undefined ? `whsec_${randomBytes(32).toString('base64url')}` : undefined;
    const record: WebhookRecord = {
      ...{ id, org: principal.org, url: body.url, events: body.events, secret: made ?? body.secret ?? '' },
      ...(selector === '' ? {} : { selector }),
      ...{ createdBy: principal.id, createdAtMs: clock.now() },
    };
    await webhooks.create(record);
    const headers = { location: `/v1/webhooks/${id}` };
    return json(201, { ...webhookJson(record), ...given('secret', made) }, { headers, unrepeatable: ['secret'] });
  });
}

function deleteOperation({ webhooks, clock }: WebhookParts): Operation {
  return implement(operations.deleteWebhook, async ({ principal, params, note }) => {
    note({ subject: params.id });
    await webhooks.delete(find(webhooks, principal, params.id), clock.now());
    return json(204);
  });
}

function deliveriesOperation({ webhooks, deliveries }: WebhookParts): Operation {
  return implement(operations.listWebhookDeliveries, async ({ principal, params, query: { limit, cursor, state } }) => {
    const { record } = find(webhooks, principal, params.id);
    const before = cursor === undefined ? undefined : decodeCursor('deliveries', cursor, [position])[0];
    const found = await deliveries.newest(record, {
      limit: limit + 1,
      ...given('before', before),
      ...given('state', state),
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return json(200, {
      items: page.map(deliveryJson),
      ...(found.length > limit && last !== undefined ? { nextCursor: encodeCursor('deliveries', [last.seq]) } : {}),
    });
  });
}

function testOperation({ webhooks, deliveries, clock }: WebhookParts): Operation {
  return implement(operations.testWebhook, async ({ principal, params, note }) => {
    note({ subject: params.id });
    const { record } = find(webhooks, principal, params.id);
    return json(202, { id: await deliveries.addTest(record, clock.now()) });
  });
}

/** Throws `not_found`. */
function find(webhooks: WebhookStore, principal: Principal, id: string): KeptWebhook {
  const kept = webhooks.find(principal.org, id);
  if (kept === undefined || !mayManage(principal, kept.record))
    throw new AppError('not_found', `there is no webhook ${id}`);
  return kept;
}

/** A bounded principal manages only those that they made; those are bounded too. */
function mayManage({ bound, id }: Principal, { createdBy }: WebhookRecord): boolean {
  return bound.length === 0 || createdBy === id;
}

function webhookJson({ id, url, events, selector, createdBy, createdAtMs }: WebhookRecord): WebhookJson {
  // Sound: the contract let nothing else in.
  const known = events as readonly WebhookEvent[];
  return { id, url, events: known, ...given('selector', selector), createdBy, createdAt: isoTime(createdAtMs) };
}

function deliveryJson({ record }: KeptDelivery): WebhookDeliveryJson {
  const { eventId, type, state, attempts, createdAtMs, lastAttemptAtMs, lastStatus, lastError, nextAtMs } = record;
  return {
    ...{ id: eventId, event: type, state, attempts, createdAt: isoTime(createdAtMs) },
    ...(lastAttemptAtMs === undefined ? {} : { lastAttemptAt: isoTime(lastAttemptAtMs) }),
    ...given('lastStatus', lastStatus),
    ...given('lastError', lastError),
    ...(nextAtMs === undefined ? {} : { nextAttemptAt: isoTime(nextAtMs) }),
  };
}
