import { activeModeOverride, type Endpoint } from '@muster/directory';
import { AppError, joinSelectors, LIMITS, SESSION_MODES } from '@muster/protocol';
import type { ModeOverrideRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { z } from 'zod';
import type { Principal } from '../auth/principal.js';
import { given } from '../http/given.js';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { duration } from '../http/reading.js';
import { agentIdText, count, problems, reasonText, selectorText, timestamp } from '../http/schemas.js';
import { isoTime } from '../queries/query-json.js';
import { selectionOf, type Selection, type SelectionParts } from './agent-selection.js';
import type { ModeOrders } from './mode-orders.js';
import type { Held } from './presence.js';

export interface ModeParts extends SelectionParts {
  readonly orders: ModeOrders;
  readonly clock: Clock;
}

const MAX_AGENTS = 30_000;
const MAX_NAMED = 20;
const MIN_LEASE_MS = 1_000;
const MAX_LEASE_MS = 30 * 24 * 3_600_000;

const orderSchema = z
  .strictObject({
    selector: selectorText.optional(),
    agentIds: z.array(agentIdText).min(1).max(MAX_AGENTS).optional(),
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
  .superRefine((order, context) => {
    const fault = (message: string): void => context.addIssue({ code: 'custom', message });
    if ((order.selector === undefined) === (order.agentIds === undefined)) {
      fault('give selector or agentIds, and not both; the empty selector means all');
    }
    if (order.mode === 'default' && (order.interval !== undefined || order.for !== undefined)) {
      fault('mode default has no interval and no lease: the policy says how it goes on');
    }
  });

const orderedSchema = z
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

/** Ordering agents to use one channel or the other. */
export function modeOperation(parts: ModeParts): Operation {
  return defineOperation({
    id: 'overrideMode',
    method: 'post',
    path: '/v1/agents/mode',
    tag: 'agents',
    action: 'agent.mode',
    audited: true,
    summary: 'Order agents to use Live or Poll, or to do as the policy says',
    description:
      'Kept until it is replaced, withdrawn, or its lease is over. An agent that cannot do both, or whose own settings pin one, stays as it is.',
    access: 'agents:mode',
    body: orderSchema,
    idempotent: true,
    responses: {
      200: {
        description: 'What was ordered, and who hears of it when.',
        content: { 'application/json': orderedSchema },
      },
      ...problems(
        'bad_selector',
        'not_found',
        'too_large',
        'unsupported_media_type',
        'conflict',
        'idempotency_mismatch',
      ),
    },
    handle: async ({ principal, body, note }) => {
      const details = detailsOf(body);
      note({ scope: joinSelectors(body.selector ?? '', principal.selector), details });
      const atMs = parts.clock.now();
      const { chosen, held } = await choose(parts, principal, body);
      const connected = connectedJson(chosen, held, atMs);
      const counts = { changed: 0, unchanged: 0, failed: 0 };
      let fault: AppError | undefined;
      for await (const result of parts.orders.giveAll(chosen, recordOf(body, principal.name, atMs))) {
        counts[result.kind] += 1;
        if (result.kind === 'failed') fault = result.error;
      }
      const ordered = { matched: chosen.length, ...counts };
      note({ details: { ...details, ...ordered } });
      // Nothing done at all is a failure; something done is told, with what is missing.
      if (fault !== undefined && counts.failed === chosen.length) throw fault;
      return json(200, { ...ordered, connected });
    },
  });
}

type Order = z.output<typeof orderSchema>;

function detailsOf({ selector, agentIds, mode, interval, for: forMs, reason }: Order): Record<string, unknown> {
  return {
    ...given('selector', selector),
    ...given('agentIds', agentIds?.slice(0, MAX_NAMED)),
    mode,
    ...given('intervalMs', interval),
    ...given('forMs', forMs),
    ...given('reason', reason),
  };
}

function recordOf({ mode, interval, for: forMs, reason = '' }: Order, by: string, atMs: number): ModeOverrideRecord {
  const untilMs = forMs === undefined ? undefined : atMs + forMs;
  return { mode, ...given('intervalMs', interval), ...given('untilMs', untilMs), reason, by, atMs };
}

/** Whom the order is for, among those that the principal may know of. Throws `not_found` when one that is named is not. */
async function choose(
  parts: ModeParts,
  principal: Principal,
  { selector = '', agentIds }: Order,
): Promise<{ readonly chosen: Endpoint[] } & Pick<Selection, 'held'>> {
  const { directory } = parts;
  const { matches, held } = await selectionOf(parts, principal, { selector, needsHeld: true, toChange: true });
  const mayOrder = (endpoint: Endpoint): boolean => endpoint.revoked === undefined && matches(endpoint);
  if (agentIds === undefined) return { chosen: [...directory.endpoints(principal.org)].filter(mayOrder), held };
  const chosen: Endpoint[] = [];
  const unknown: string[] = [];
  for (const id of new Set(agentIds)) {
    const endpoint = directory.byId(principal.org, id);
    if (endpoint !== undefined && mayOrder(endpoint)) chosen.push(endpoint);
    else unknown.push(id);
  }
  const [first] = unknown;
  if (first === undefined) return { chosen, held };
  const more = unknown.length > 1 ? `, nor ${unknown.length - 1} more of those named` : '';
  throw new AppError('not_found', `there is no agent ${first}${more}; nothing was ordered`, {
    details: { agentIds: unknown.slice(0, MAX_NAMED) },
  });
}

function connectedJson(chosen: readonly Endpoint[], held: Held | undefined, nowMs: number) {
  if (held === undefined) return { live: null, poll: null, offline: null };
  const modes = { live: 0, poll: 0 };
  let longestMs: number | undefined = 0;
  for (const { agentId, modeOverride } of chosen) {
    const mode = held.get(agentId)?.mode;
    if (mode !== undefined) modes[mode] += 1;
    if (mode !== 'poll') continue;
    const intervalMs = activeModeOverride(modeOverride, nowMs)?.intervalMs;
    longestMs = intervalMs === undefined || longestMs === undefined ? undefined : Math.max(longestMs, intervalMs);
  }
  const pollBy = modes.poll === 0 || longestMs === undefined ? undefined : isoTime(nowMs + longestMs);
  return { ...modes, offline: chosen.length - modes.live - modes.poll, ...given('pollBy', pollBy) };
}
