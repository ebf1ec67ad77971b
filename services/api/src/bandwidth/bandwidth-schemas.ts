import { LIMITS } from '@muster/protocol';
import { parseDurationMs } from '@muster/runtime';
import { z } from 'zod';
import { count, timestamp } from '../http/schemas.js';
import { endpointNameSchema, failureSchema, querySchema } from '../queries/query-schemas.js';
import { PURPOSES } from './channel-sum.js';

const { queryTimeoutMinMs, queryTimeoutMaxMs } = LIMITS;

/** How long endpoints have to answer. */
export const waitParameter = z
  .string()
  .default('10s')
  .transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms !== undefined && Number.isInteger(ms) && ms >= queryTimeoutMinMs && ms <= queryTimeoutMaxMs) return ms;
    const message = `the timeout must be ${queryTimeoutMinMs / 1_000} s to ${queryTimeoutMaxMs / 60_000} min`;
    context.issues.push({ code: 'custom', message, input: text, params: { code: 'bad_timeout' } });
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
    missing: z.array(failureSchema).meta({
      description: 'Who did not answer, up to 1,000 of them; `/v1/queries/{id}/endpoints` has all.',
    }),
  })
  .meta({ id: 'EndpointsBandwidth' });

export const fleetBandwidthSchema = z
  .object({
    measuredAt: timestamp,
    endpoints: endpointBandwidthSchema.optional().meta({ description: 'Absent when no endpoint was to be asked.' }),
    fleet: z.object({ gateways: z.object({ asked: count, answered: count }), ...counters }),
    gateways: z.array(
      z.discriminatedUnion('state', [
        z.object({ id: z.string(), state: z.literal('answered'), startedAt: timestamp, ...counters }),
        z.object({ id: z.string(), state: z.enum(['no_answer', 'gone']) }),
      ]),
    ),
  })
  .meta({ id: 'FleetBandwidth' });
