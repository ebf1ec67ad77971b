import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { agentIdParameter, count, selectorText, timestamp } from './fields.js';
import { defineOperations, type Json } from './operation.js';
import { limitParameter } from './paging.js';
import { endpointNameSchema, isTimeout, queryFailureSchema, querySchema, TIMEOUT_FAULT } from './query.js';

/** What bytes are for. `transport` is what an endpoint's sockets carried besides frames; gateways do not count it. */
export const PURPOSES = ['session', 'heartbeat', 'query', 'command', 'metrics', 'transport'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** How long endpoints have to answer. */
export const waitParameter = z
  .string()
  .default('10s')
  .transform((text, context) => {
    const ms = parseDurationMs(text);
    if (isTimeout(ms)) return ms;
    context.issues.push({ code: 'custom', message: TIMEOUT_FAULT, input: text, params: { code: 'bad_timeout' } });
    return z.NEVER;
  })
  .meta({ description: 'How long endpoints have to answer: `10s`, `2m`. Those that poll need their interval.' });

const upAndDown = {
  bytesUp: count.meta({ description: 'From endpoints to gateways.' }),
  bytesDown: count.meta({ description: 'From gateways to endpoints.' }),
};
const bytesSchema = z.object(upAndDown).meta({ id: 'BytesUpAndDown' });

const perHour = z
  .number()
  .nullable()
  .meta({ description: 'Both ways, for one endpoint and one hour of its session; null while there was none.' });

const channel = {
  seconds: count.meta({ description: 'For how long there were sessions, those of all endpoints added up.' }),
  ...upAndDown,
  bytesPerHour: perHour,
  purposes: z.partialRecord(z.enum(PURPOSES), bytesSchema),
};

const channelSchema = z
  .object({ endpoints: count, ...channel })
  .meta({ id: 'ChannelBandwidth', description: 'What one channel has carried.' });

const ratio = z.number().nullable().meta({
  description: 'How often the bytes per hour of Live go into those of Poll; null while one of them is not known.',
});

const counters = {
  live: channelSchema,
  poll: channelSchema,
  enrol: bytesSchema.meta({ description: 'Bodies of enrolments.' }),
  sockets: z.object({
    measured: z.enum(['sockets', 'partly', 'frames']).meta({
      description:
        '`sockets`: payload of TCP on the port of agents, with TLS and HTTP. `partly`: of some gateways. `frames`: nobody sees the sockets, and the bytes here are 0.',
    }),
    ...upAndDown,
    missed: count.meta({
      description: 'How often the end of a connection was not heard of, and its last bytes not counted.',
    }),
  }),
};

const endpointChannelSchema = z
  .object({ connections: count.meta({ description: 'TCP connections that were opened.' }), ...channel })
  .meta({ id: 'EndpointChannelBandwidth' });

const endpointSchema = z
  .object({
    ...endpointNameSchema.shape,
    since: timestamp.meta({ description: 'When its agent began to count.' }),
    bytes: count.meta({ description: 'Both ways, over all channels.' }),
    live: endpointChannelSchema.optional(),
    poll: endpointChannelSchema.optional(),
    enrol: endpointChannelSchema.optional(),
    pollToLive: ratio,
  })
  .meta({ id: 'EndpointBandwidth' });

export const endpointBandwidthSchema = z
  .object({
    query: querySchema.meta({
      description: 'The query that asked, as it ended: its ledger says who is in these figures.',
    }),
    total: z.object({
      endpoints: count.meta({ description: 'How many are in it.' }),
      live: channelSchema,
      poll: channelSchema,
      enrol: bytesSchema,
      pollToLive: ratio,
    }),
    endpoints: z.array(endpointSchema).meta({ description: 'Those with the most bytes first.' }),
    missing: z.array(queryFailureSchema).meta({
      description: 'Who did not answer, up to 1,000 of them; `/v1/queries/{id}/endpoints` has all.',
    }),
  })
  .meta({ id: 'EndpointsBandwidth' });

export const fleetBandwidthSchema = z
  .object({
    measuredAt: timestamp,
    endpoints: endpointBandwidthSchema.optional().meta({ description: 'Absent when no endpoint was to be asked.' }),
    fleet: z.object({
      gateways: z.object({
        asked: count,
        answered: count,
        inDoubt: z.literal(true).optional().meta({
          description:
            'It is not known whether all gateways were asked: Redis lost its data, or messages did not get through, a moment ago.',
        }),
      }),
      ...counters,
    }),
    gateways: z.array(
      z.discriminatedUnion('state', [
        z.object({ id: z.string(), state: z.literal('answered'), startedAt: timestamp, ...counters }),
        z.object({ id: z.string(), state: z.enum(['no_answer', 'gone']) }),
      ]),
    ),
  })
  .meta({ id: 'FleetBandwidth' });
/** Whom to ask, and how long to wait for them. */
const askParameters = {
  selector: selectorText.default('').meta({ description: 'Which endpoints to ask; empty means all.' }),
  timeout: waitParameter,
  top: limitParameter(20, 1_000),
};

const whenAnswered = <S extends z.ZodType>(schema: S) =>
  ({
    200: {
      description: 'Once all have answered, or the time is over.',
      content: { 'application/json': schema },
    },
  }) as const;

const QUERY_PROBLEMS = ['bad_timeout', 'too_many_queries', 'no_query_service', 'timeout'] as const;

export const bandwidthOperations = defineOperations('bandwidth', {
  showBandwidth: {
    method: 'get',
    path: '/v1/bandwidth',
    action: 'bandwidth.show',
    audited: true,
    summary: 'Live against Poll: what endpoints have carried at their sockets, and what the gateways have',
    description:
      '`endpoints` is what `/v1/bandwidth/endpoints` answers: what went through their sockets, TLS, HTTP and WebSocket with it, by channel. The ' +
      'gateways count frames by channel, with the heads that WebSocket gives them and before the compression of Poll, and `sockets` is what TCP ' +
      'carried for all channels together. A gateway that does not answer in three seconds is named, and not in the sums. Gateways do not count by ' +
      'org; for the endpoints of one’s own org there is `/v1/bandwidth/endpoints`.',
    access: 'queries:run',
    platform: true,
    query: z.strictObject({
      ask: z.enum(['true', 'false']).optional().meta({
        description: 'With `false` no endpoint is asked: the answer has the gateways’ counters alone.',
      }),
      ...askParameters,
    }),
    answers: whenAnswered(fleetBandwidthSchema),
    problems: ['bad_selector', ...QUERY_PROBLEMS],
  },
  listEndpointBandwidth: {
    method: 'get',
    path: '/v1/bandwidth/endpoints',
    action: 'bandwidth.ask',
    audited: true,
    summary: 'What endpoints have carried since their agents started, Live against Poll',
    description:
      'Asks them for their table `agent_traffic`, which counts at the sockets, as a query like any other: the answer comes when it has ended, and ' +
      '`/v1/queries/{id}` has it as long as queries are kept.',
    access: 'queries:run',
    query: z.strictObject(askParameters),
    answers: whenAnswered(endpointBandwidthSchema),
    problems: ['bad_selector', ...QUERY_PROBLEMS],
  },
  showAgentBandwidth: {
    method: 'get',
    path: '/v1/agents/{id}/bandwidth',
    action: 'bandwidth.ask',
    audited: true,
    summary: 'What one endpoint has carried since its agent started, Live against Poll',
    access: 'queries:run',
    params: agentIdParameter,
    query: z.strictObject({ timeout: waitParameter }),
    answers: whenAnswered(endpointBandwidthSchema),
    problems: ['not_found', ...QUERY_PROBLEMS],
  },
});

export type BytesJson = Json<typeof bytesSchema>;
export type ChannelBandwidthJson = Json<typeof channelSchema>;
export type EndpointBandwidthJson = Json<typeof endpointSchema>;
export type EndpointsBandwidthJson = Json<typeof endpointBandwidthSchema>;
export type FleetBandwidthJson = Json<typeof fleetBandwidthSchema>;
