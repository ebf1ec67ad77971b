import {
  defineConfig,
  field,
  loadConfig,
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  type Env,
} from '@muster/runtime';
import { serviceFields } from '@muster/service-base';
import { recordFaults } from '@muster/service-base/settings';

const definition = defineConfig({
  prefix: 'MUSTER_QUERY_',
  fields: {
    ...serviceFields,
    queriesPerOperator: field.int('MUSTER_QUERY_PER_OPERATOR', { default: 10, min: 1 }),
    queriesPerOrg: field.int('MUSTER_QUERY_PER_ORG', { default: 50, min: 1 }),
    huntsPerOperator: field.int('MUSTER_QUERY_HUNTS_PER_OPERATOR', { default: 20, min: 1 }),
    huntsPerOrg: field.int('MUSTER_QUERY_HUNTS_PER_ORG', { default: 100, min: 1 }),
    maxGroups: field.int('MUSTER_QUERY_MAX_GROUPS', { default: 200_000, min: 1 }),
    maxGroupBytes: field.bytes('MUSTER_QUERY_MAX_GROUP_BYTES', { default: 128 * 2 ** 20, min: 2 ** 16 }),
    /** The bytes that one raw query may write to the result stream. */
    maxResultBytes: field.bytes('MUSTER_QUERY_MAX_RESULT_BYTES', { default: 2 ** 30, min: 2 ** 16 }),
    /** The bytes of one query that may wait in memory for the result stream. */
    maxQueuedBytes: field.bytes('MUSTER_QUERY_MAX_QUEUED_BYTES', { default: 64 * 2 ** 20, min: 2 ** 16 }),
    reduceConcurrent: field.int('MUSTER_QUERY_REDUCE_CONCURRENT', { default: 3, min: 1 }),
    /** How many of those one org, and one operator, may have. */
    reducePerOrg: field.int('MUSTER_QUERY_REDUCE_PER_ORG', { default: 2, min: 1 }),
    reducePerOperator: field.int('MUSTER_QUERY_REDUCE_PER_OPERATOR', { default: 1, min: 1 }),
    reduceMs: field.durationMs('MUSTER_QUERY_REDUCE_TIMEOUT', { default: 30_000, min: 100 }),
    reduceHeapBytes: field.bytes('MUSTER_QUERY_REDUCE_MEMORY', { default: 256 * 2 ** 20, min: 2 ** 22 }),
    /** How long results are retried while the broker is unavailable; then the query is abandoned. */
    brokerRetryMs: field.durationMs('MUSTER_QUERY_BROKER_PATIENCE', { default: 30_000, min: 1_000 }),
    /** How long a stopping service lets its queries run before it ends them. */
    drainMs: field.durationMs('MUSTER_QUERY_DRAIN', { default: 10_000 }),
  },
  check: (config): readonly ConfigFault[] => {
    const faults = recordFaults(config);
    if (config.maxResultBytes <= config.streamResultsBytes) return faults;
    const fault = 'must not be above MUSTER_STREAM_RESULTS_BYTES: the stream would drop the first rows of a result';
    return [...faults, { name: 'MUSTER_QUERY_MAX_RESULT_BYTES', fault }];
  },
});

export type QueryConfig = ConfigOf<typeof definition>;

/** Every variable is described in `docs/settings.md`. */
export function loadQueryConfig(env: Env): ConfigResult<QueryConfig> {
  return loadConfig(definition, env);
}
