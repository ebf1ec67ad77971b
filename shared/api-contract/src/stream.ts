import { isCommandId, isQueryId } from '@muster/protocol/vocabulary';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { agentCountsSchema } from './agent.js';
import { commandEventSchema, commandSchema, TARGET_DETAIL } from './command.js';
import { agentIdText, selectorText, timestamp } from './fields.js';
import { healthEventSchema, metricsEventSchema } from './metrics.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { seq } from './paging.js';
import { problemSchema } from './problem.js';
import { queryEventSchema, querySchema, ROW_SHAPES } from './query.js';

/** Subscriptions of one stream. */
export const MAX_SUBSCRIPTIONS = 64;

const id = z.string().min(1).max(64).meta({ description: 'Chosen by the caller; it stands in each message.' });
const after = z.int().nonnegative().optional().meta({ description: 'Only events after the one with this `seq`.' });

function span(minMs: number, maxMs: number, usual: string) {
  return z
    .string()
    .default(usual)
    .transform((text, context) => {
      const ms = text === '0' ? 0 : parseDurationMs(text);
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
      const message = `must be a duration from ${minMs / 1_000}s to ${maxMs / 1_000}s`;
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    });
}

export const subscriptionSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...{ id, kind: z.literal('query'), after },
      queryId: z.string().refine(isQueryId, 'is not the id of a query'),
      rows: z.enum(ROW_SHAPES).default('arrays'),
    }),
    z.strictObject({
      ...{ id, kind: z.literal('command'), after },
      commandId: z.string().refine(isCommandId, 'is not the id of a command'),
      targets: z.enum(TARGET_DETAIL).default('settled'),
    }),
    z.strictObject({ id, kind: z.literal('health'), after, selector: selectorText.default('') }),
    z.strictObject({
      ...{ id, kind: z.literal('metrics'), after, agentId: agentIdText },
      past: span(0, 600_000, '10m'),
      minutes: span(0, 86_400_000, '0'),
      layout: z.enum(['samples', 'columns']).default('samples'),
    }),
    z.strictObject({ id, kind: z.literal('queries'), after }),
    z.strictObject({ id, kind: z.literal('commands'), after }),
    z.strictObject({
      ...{ id, kind: z.literal('fleet'), selector: selectorText.default('') },
      by: z.array(z.string().min(1).max(63)).max(8).default([]).meta({ description: 'Labels to count by.' }),
      every: span(2_000, 60_000, '5s'),
    }),
  ])
  .meta({
    id: 'Subscription',
    description:
      '`query`, `command`, `health` and `metrics` have the events of their own streams; `queries` and `commands` tell when one of the org begins, goes on or ends; `fleet` counts the endpoints of a selector.',
  });

const began = z.object({ event: z.literal('began'), seq });

const streamEventSchema = z.union([
  z.object({ event: z.literal('open'), seq: z.null(), stream: z.string() }),
  z.object({ event: z.literal('closed'), seq: z.null() }).meta({ description: 'After the last event of its source.' }),
  z.object({ event: z.literal('refused'), seq: z.null(), problem: problemSchema }),
  began,
  z.object({ event: z.literal('query'), seq, query: querySchema }),
  z.object({ event: z.literal('command'), seq, command: commandSchema }),
  z.object({ event: z.literal('counts'), seq: z.null(), at: timestamp, counts: agentCountsSchema }),
  queryEventSchema,
  commandEventSchema,
  healthEventSchema,
  metricsEventSchema,
]);

const messageSchema = z
  .object({
    sub: z.string().nullable().meta({ description: 'The id of the subscription; null for the stream itself.' }),
    event: streamEventSchema,
  })
  .meta({ id: 'StreamMessage' });

const subscriptions = z.array(subscriptionSchema).max(MAX_SUBSCRIPTIONS);
const BODY_PROBLEMS = ['too_large', 'unsupported_media_type', 'bad_selector'] as const;

export const streamOperations = defineOperations('stream', {
  openStream: {
    method: 'post',
    path: '/v1/stream',
    action: 'stream.open',
    summary: 'One stream for everything that a console shows',
    description:
      'Server-sent events: `data` is `{"sub": id, "event": …}` with the event as the single stream has it, `event` its name. The first message, of no subscription, is `open` with the id of the stream, under which subscriptions are added and removed. ' +
      'There are no event ids: who was cut off opens a new stream, and gives each subscription the last `seq` that it has seen as `after`. A subscription that cannot be had is `refused`, with the problem; the others go on. ' +
      'A reader who takes nothing for a minute is cut off. The stream ends with its credentials.',
    access: 'any',
    body: z.strictObject({ subscriptions: subscriptions.default([]) }).prefault({}),
    answers: {
      200: {
        description: 'Messages. In `text/event-stream`, `data` is the same object as a line of `application/x-ndjson`.',
        content: { 'text/event-stream': undefined, 'application/x-ndjson': messageSchema },
      },
    },
    problems: [...BODY_PROBLEMS, 'not_acceptable', 'draining'],
  },
  changeStream: {
    method: 'post',
    path: '/v1/stream/{id}',
    action: 'stream.change',
    summary: 'Add and remove subscriptions of an open stream',
    description:
      'Any API process takes it. Only who opened the stream can: the same token, the same person of the provider, or the same session. Ids are removed before others are added; an id that is in use is replaced.',
    access: 'any',
    params: z.object({ id: z.string().regex(/^[0-9a-f]{16}\.[0-9a-f]{32}$/, 'is not the id of a stream') }),
    body: z.strictObject({ add: subscriptions.default([]), remove: z.array(id).max(MAX_SUBSCRIPTIONS).default([]) }),
    answers: {
      200: jsonAnswer(
        'The subscriptions that it has now.',
        z.object({ subscriptions: z.array(z.string()) }).meta({ id: 'StreamSubscriptions' }),
      ),
    },
    problems: [...BODY_PROBLEMS, 'not_found', 'conflict'],
  },
});

export type Subscription = z.output<typeof subscriptionSchema>;
export type SubscriptionRequest = z.input<typeof subscriptionSchema>;
export type StreamMessageJson = Json<typeof messageSchema>;
