import { GROUPS, HISTORY_KINDS } from '@muster/host-metrics';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { agentIdParameter, count, selectorText, timestamp } from './fields.js';
import { stalledEventSchema } from './event-stream.js';
import { defineOperations, eventStream, jsonAnswer, type Json } from './operation.js';
import { afterParameter, cursorParameter, limitParameter, nextCursor, seq } from './paging.js';

/** What the fleet can be sorted by. */
const TOP_BY = ['cpu', 'memory', 'disk', 'load', 'disk_io', 'network'] as const;
const VITALS = [...TOP_BY, 'clock', 'agent'] as const;
/** What the fleet is counted by. */
const COUNTED = ['cpu', 'memory', 'disk', 'load', 'clock'] as const;
const QUANTILES = ['p50', 'p90', 'p95', 'p99'] as const;
const HEALTH_STATES = ['ok', 'warning', 'critical'] as const;

/** One series of an endpoint. */
const seriesSchema = z
  .object({
    name: z.string().meta({ description: "OpenTelemetry's name: `system.cpu.time`." }),
    attributes: z.record(z.string(), z.string()),
    unit: z.string().meta({ description: 'UCUM: `By`, `s`, `1` for a share.' }),
    kind: z.enum(['counter', 'gauge']),
    group: z.enum(GROUPS).optional().meta({ description: 'Absent for what a host has once.' }),
    instance: z.string().optional().meta({ description: 'The name of the core, disk, interface …' }),
  })
  .meta({ id: 'HostSeries' });

const values = z
  .array(z.number().nullable())
  .meta({ description: 'In the order of the last `series` event; null where the endpoint has no value.' });

const scaledSeriesSchema = seriesSchema
  .extend({
    scale: z.number().meta({ description: 'A number in `columns` times this is the value in `unit`.' }),
  })
  .meta({ id: 'ScaledHostSeries' });

const columnNumber = z.int().nullable();

const processSchema = z
  .object({
    pid: z.int().nonnegative(),
    name: z.string(),
    cpu: z.number().meta({ description: 'Of one processor: 1 is all of it.' }),
    residentBytes: z.int().nonnegative(),
    user: z.string(),
  })
  .meta({ id: 'HostProcess' });

/** One event of the metrics of a watched endpoint. */
export const metricsEventSchema = z
  .discriminatedUnion('event', [
    z.object({ event: z.literal('series'), seq: z.null(), series: z.array(scaledSeriesSchema) }),
    z
      .object({
        event: z.literal('past'),
        seq: seq.nullable().meta({ description: 'Null for minutes.' }),
        kind: z
          .enum(HISTORY_KINDS)
          .meta({ description: '`seconds`: samples; the others are of minutes, as in `minute`.' }),
        at: timestamp.meta({ description: 'Of the first sample.' }),
        stepsMs: z.array(z.int()).meta({
          description: 'One number for each sample: milliseconds since the one before it; the first is 0.',
        }),
        columns: z.array(z.union([columnNumber, z.array(columnNumber)])).meta({
          description:
            'One for each series, in the order of the last `series` event, in units of its `scale`: the first value, then each by its difference from the one ' +
            'before. Null where there is no value; what follows a null is the value itself. A column that never changes is its value alone.',
        }),
      })
      .meta({ description: 'Many samples in one event, with `layout=columns`.' }),
    z.object({
      event: z.literal('sample'),
      seq,
      at: timestamp.meta({ description: "The endpoint's clock." }),
      from: z.enum(['history', 'live']),
      values,
    }),
    z.object({
      event: z.literal('minute'),
      seq: z.null(),
      at: timestamp.meta({ description: 'The end of the minute.' }),
      statistic: z
        .enum(HISTORY_KINDS)
        .exclude(['seconds'])
        .meta({ description: 'Of counters: of their growth per second.' }),
      values,
    }),
    z.object({
      event: z.literal('processes'),
      seq: z.null(),
      at: timestamp,
      byCpu: z.array(processSchema),
      byMemory: z.array(processSchema),
    }),
    z.object({
      event: z.literal('gap'),
      seq: z.null(),
      from: timestamp.meta({ description: 'The last sample before it; later than `to` when the clock was set back.' }),
      to: timestamp.meta({ description: 'The first sample after it.' }),
    }),
    z.object({
      event: z.literal('state'),
      seq: z.null(),
      state: z
        .enum(['watched', 'away'])
        .meta({ description: '`away`: no samples come; the stream waits for the endpoint.' }),
    }),
    stalledEventSchema,
  ])
  .meta({ id: 'MetricsEvent' });

const vitals = z.partialRecord(z.enum(VITALS), z.number()).meta({
  description:
    'What is not known is left out. `cpu`, `memory` and `disk` (the fullest file system) are shares from 0 to 1, `load` is per processor, `disk_io` and ' +
    '`network` bytes a second, `clock` how many seconds it is ahead, `agent` what the agent itself uses of a processor.',
});

const failingRuleSchema = z
  .object({
    rule: z
      .string()
      .meta({ description: 'Its name in the health policy; `silent` for an endpoint that sends nothing.' }),
    state: z.enum(HEALTH_STATES),
    since: timestamp.meta({ description: 'Since when it has this state.' }),
    value: z.number().optional().meta({ description: 'What it judges by, in the unit of its vital. Not of `silent`.' }),
    threshold: z
      .number()
      .optional()
      .meta({ description: 'From this value on it has this state, whatever the sign. Not of `silent`.' }),
  })
  .meta({ id: 'FailingHealthRule' });

const healthSchema = z
  .object({
    state: z.enum(HEALTH_STATES),
    since: timestamp.meta({ description: 'The last change of its rules.' }),
    rules: z
      .array(failingRuleSchema)
      .meta({ description: 'The rules that make it so, with the values of its newest sample.' }),
  })
  .meta({ id: 'EndpointHealth' });

const coverage = z
  .object({
    of: count.meta({ description: 'Into so many partitions the endpoints are divided.' }),
    missing: z.array(count).meta({
      description:
        'Partitions that no telemetry service spoke for, or whose service has only just taken them over: their endpoints may be missing.',
    }),
  })
  .meta({ id: 'MetricsCoverage' });

const ageMs = count.meta({ description: 'How old the sample is, in milliseconds.' });

export const agentMetricsSchema = z
  .object({
    agentId: z.string(),
    sample: z
      .object({
        at: timestamp.meta({ description: "The endpoint's clock." }),
        receivedAt: timestamp.meta({ description: "The gateway's clock when it was measured." }),
        ageMs,
        vitals,
        values: z.array(seriesSchema.extend({ value: z.number() })),
      })
      .optional()
      .meta({ description: 'Absent when the endpoint has not sent one lately.' }),
    health: healthSchema.optional(),
  })
  .meta({ id: 'AgentMetrics' });

export const fleetTopSchema = z
  .object({
    by: z.enum(TOP_BY),
    endpoints: count.meta({ description: 'How many match. Those that do not know the value are in no row.' }),
    items: z
      .array(z.object({ agentId: z.string(), host: z.string(), ageMs, vitals, health: healthSchema.optional() }))
      .meta({ description: 'The largest first.' }),
    partitions: coverage,
  })
  .meta({ id: 'FleetTop' });

const distributionSchema = z
  .object({
    bounds: z.array(z.number()),
    counts: z.array(count).meta({
      description:
        'How many endpoints have at most this bound and more than the one before; the last number is those above all bounds.',
    }),
    sum: z.number(),
    quantiles: z.record(z.enum(QUANTILES), z.number()).nullable().meta({
      description: 'Estimates from the buckets, as Prometheus makes them: true to the bucket. Null without a value.',
    }),
  })
  .meta({ id: 'FleetDistribution' });

export const fleetMetricsSchema = z
  .object({
    by: z.string().optional(),
    groups: z
      .array(
        z.object({
          value: z.string().meta({
            description:
              'The value of the label: `none` where endpoints have none, `other` where it is not one that is counted; empty without `by`.',
          }),
          endpoints: count.meta({
            description: 'How many of them have a sample. Those that do not know a value are in no bucket of it.',
          }),
          vitals: z.partialRecord(z.enum(COUNTED), distributionSchema),
        }),
      )
      .meta({ description: 'The largest first.' }),
    partitions: coverage,
  })
  .meta({ id: 'FleetMetrics' });

export const healthListSchema = z
  .object({
    counts: z.record(z.enum(HEALTH_STATES), count).meta({
      description:
        'Of all that match, whatever `state` asks for; `ok` also of those that have always been well, which are in no list.',
    }),
    unknown: count.optional().meta({
      description:
        'How many match of which nothing is known: they send no samples. Absent while partitions are missing.',
    }),
    items: z.array(z.object({ agentId: z.string(), host: z.string(), health: healthSchema })),
    nextCursor,
    partitions: coverage,
  })
  .meta({ id: 'HealthList' });

/** One event of the health of endpoints. */
export const healthEventSchema = z
  .discriminatedUnion('event', [
    z
      .object({ event: z.literal('began'), seq })
      .meta({ description: 'Said first: changes after this one are told. What was before is in `GET /v1/health`.' }),
    z.object({
      event: z.literal('changed'),
      seq,
      at: timestamp.meta({ description: "The gateway's clock." }),
      agentId: z.string(),
      host: z.string().nullable(),
      state: z.enum(HEALTH_STATES),
      before: z.enum(HEALTH_STATES),
      rules: z
        .array(failingRuleSchema)
        .meta({ description: 'The rules that make it so, with the values of that moment.' }),
    }),
    z
      .object({
        event: z.literal('gap'),
        seq: z.null(),
        agentId: z.string().nullable(),
        host: z.string().nullable(),
      })
      .meta({
        description:
          'Changes were missed: the last ten of each endpoint are kept. `agentId` is null where those of any endpoint may be missing.',
      }),
    stalledEventSchema,
  ])
  .meta({ id: 'HealthEvent' });

/** How far back a stream begins. */
const pastParameter = (mostMs: number, usual: string, description: string) =>
  z
    .string()
    .default(usual)
    .transform((text, context) => {
      const ms = text === '0' ? 0 : parseDurationMs(text);
      if (ms !== undefined && ms >= 0 && ms <= mostMs) return ms;
      context.issues.push({
        code: 'custom',
        message: `must be a duration of at most ${mostMs / 60_000}m`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ description });

const TELEMETRY_PROBLEMS = ['no_telemetry_service', 'timeout'] as const;
const selector = selectorText
  .default('')
  .meta({ description: 'Which endpoints; empty means all. `mode` selects nobody here.' });

export const metricsOperations = defineOperations('metrics', {
  showAgentMetrics: {
    method: 'get',
    path: '/v1/agents/{id}/metrics',
    action: 'metrics.show',
    summary: 'The latest sample of an endpoint, and its health',
    access: 'agents:read',
    params: agentIdParameter,
    answers: { 200: jsonAnswer('What is known.', agentMetricsSchema) },
    problems: ['not_found', ...TELEMETRY_PROBLEMS],
  },
  topAgents: {
    method: 'get',
    path: '/v1/fleet/top',
    action: 'metrics.top',
    summary: 'The endpoints with the most of something now',
    description: 'Exact while `partitions.missing` is empty.',
    access: 'agents:read',
    query: z.strictObject({ by: z.enum(TOP_BY).default('cpu'), selector, limit: limitParameter(20, 1_000) }),
    answers: { 200: jsonAnswer('The largest first.', fleetTopSchema) },
    problems: ['bad_selector', ...TELEMETRY_PROBLEMS],
  },
  showFleetMetrics: {
    method: 'get',
    path: '/v1/fleet/metrics',
    action: 'metrics.fleet',
    summary: 'How endpoints are distributed now: processors, memory, disks, load, clocks',
    description:
      'The counts of all telemetry services, added up: exact while `partitions.missing` is empty. A service that does not answer within three seconds is left out, and its partitions are missing.',
    access: 'agents:read',
    query: z.strictObject({
      selector,
      by: z
        .string()
        .regex(/^[a-z][a-z0-9_]{0,62}$/, 'is not the name of a label')
        .optional()
        .meta({ description: 'Apart by this: `os`, `health`, or a label of `MUSTER_TELEMETRY_LABELS`.' }),
    }),
    answers: { 200: jsonAnswer('The distributions.', fleetMetricsSchema) },
    problems: ['bad_selector', ...TELEMETRY_PROBLEMS],
  },
  listHealth: {
    method: 'get',
    path: '/v1/health',
    action: 'health.list',
    summary: 'How endpoints fare, by the rules of the health policy',
    description: 'Complete while `partitions.missing` is empty.',
    access: 'agents:read',
    query: z.strictObject({
      selector,
      state: z.enum(HEALTH_STATES).optional().meta({ description: 'Only these.' }),
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
    }),
    answers: { 200: jsonAnswer('By number of their identities.', healthListSchema) },
    problems: ['bad_selector', ...TELEMETRY_PROBLEMS],
  },
  streamHealthEvents: {
    method: 'get',
    path: '/v1/health/events',
    action: 'health.watch',
    summary: 'Changes of health as they happen',
    description:
      'Server-sent events, or one JSON object per line with `Accept: application/x-ndjson`. `began` comes first: whoever reads `GET /v1/health` after it misses nothing. A reader who was cut off goes on with ' +
      '`Last-Event-ID`, and hears with `gap` what is not kept any more. The stream does not end by itself.',
    access: 'agents:read',
    query: z.strictObject({ selector, after: afterParameter }),
    ...eventStream(healthEventSchema, 'Not used.'),
    problems: ['bad_selector', 'not_acceptable', 'draining'],
  },
  streamAgentMetrics: {
    method: 'get',
    path: '/v1/agents/{id}/metrics/stream',
    action: 'metrics.watch',
    audited: true,
    summary: 'What an endpoint measures: its past, then every second from now on',
    description:
      'Server-sent events, or one JSON object per line with `Accept: application/x-ndjson`. `series` names the values of the events that follow it; it ' +
      'comes again when disks, interfaces … change. Then `minute` and `sample` events of the past, and one `sample` a second for as long as the stream is open: the ' +
      'endpoint measures that often only while somebody watches. Over Poll samples come with its polls. The id (`seq`) of a `sample` is its time in Unix milliseconds; a reader who was cut off ' +
      'goes on with `Last-Event-ID`, and hears of samples that are lost with `gap`. The stream does not end by itself.',
    access: 'agents:read',
    params: agentIdParameter,
    query: z.strictObject({
      past: pastParameter(600_000, '10m', 'How much of the last ten minutes to send first: `10m`, `90s`, `0`.'),
      minutes: pastParameter(86_400_000, '0', 'How much of the last 24 hours to send first, as minutes: `24h`.'),
      layout: z
        .enum(['samples', 'columns'])
        .default('samples')
        .meta({
          description:
            'How the past is sent. `samples`: an event each. `columns`: all samples of one set of series in one `past` event, a fifth of the bytes. What ' +
            'comes live is always `sample`.',
        }),
    }),
    ...eventStream(metricsEventSchema, 'Not used.'),
    problems: ['not_found', 'not_acceptable', 'draining'],
  },
});

export type FleetDistributionJson = Json<typeof distributionSchema>;
export type HealthEventJson = Json<typeof healthEventSchema>;
export type MetricsEventJson = Json<typeof metricsEventSchema>;
export type HostSeriesJson = Json<typeof seriesSchema>;
export type ScaledHostSeriesJson = Json<typeof scaledSeriesSchema>;
