import { defineConfig, field, loadConfig, type ConfigOf, type ConfigResult, type Env } from '@muster/runtime';

const definition = defineConfig({
  prefix: 'MUSTER_QUERY_',
  fields: {
    healthHost: field.text('MUSTER_HEALTH_HOST', { default: '0.0.0.0' }),
    healthPort: field.port('MUSTER_HEALTH_PORT', { default: 9090 }),
    natsUrls: field.urls('MUSTER_NATS_URL', { protocols: ['nats', 'tls'] }),
    redisUrl: field.text('MUSTER_REDIS_URL', { example: 'redis://127.0.0.1:6379' }),
    queriesPerOperator: field.int('MUSTER_QUERY_PER_OPERATOR', { default: 10, min: 1 }),
    queriesPerOrg: field.int('MUSTER_QUERY_PER_ORG', { default: 50, min: 1 }),
    maxGroups: field.int('MUSTER_QUERY_MAX_GROUPS', { default: 200_000, min: 1 }),
    maxGroupBytes: field.bytes('MUSTER_QUERY_MAX_GROUP_BYTES', { default: 128 * 2 ** 20, min: 2 ** 16 }),
    /** What one raw query may write to the result stream. */
    maxResultBytes: field.bytes('MUSTER_QUERY_MAX_RESULT_BYTES', { default: 2 ** 30, min: 2 ** 16 }),
    /** What may wait in memory for the result stream, of one query. */
    maxQueuedBytes: field.bytes('MUSTER_QUERY_MAX_QUEUED_BYTES', { default: 64 * 2 ** 20, min: 2 ** 16 }),
    reduceConcurrent: field.int('MUSTER_QUERY_REDUCE_CONCURRENT', { default: 2, min: 1 }),
    reduceMs: field.durationMs('MUSTER_QUERY_REDUCE_TIMEOUT', { default: 30_000, min: 100 }),
    reduceHeapBytes: field.bytes('MUSTER_QUERY_REDUCE_MEMORY', { default: 256 * 2 ** 20, min: 2 ** 22 }),
    /** How long the broker may be away while a query runs before the query is given up. */
    brokerPatienceMs: field.durationMs('MUSTER_QUERY_BROKER_PATIENCE', { default: 30_000, min: 1_000 }),
    /** How long a stopping service lets its queries run on before it ends them. */
    drainMs: field.durationMs('MUSTER_QUERY_DRAIN', { default: 10_000 }),
  },
});

export type QueryConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/operations.md`. */
export function loadQueryConfig(env: Env): ConfigResult<QueryConfig> {
  return loadConfig(definition, env);
}
