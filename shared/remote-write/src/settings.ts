import { field, type ConfigFault, type ConfigOf, type ConfigDefinition, type Secret } from '@muster/runtime/program';
import { PROTOCOLS } from './delivery/sender.js';
import type { RemoteWriteOptions } from './remote-writer.js';
import { DEFAULT_ENDPOINT_LABELS, ENDPOINT_IDS } from './series/label-policy.js';
import { isLabelName } from './series/metric-definition.js';

const PREFIX = 'MUSTER_TELEMETRY_REMOTE_WRITE';
const MINUTE_MS = 60_000;

/** The settings of remote write, for the configuration of the telemetry service. Each is described in `docs/settings.md`. */
export const remoteWriteFields = {
  remoteWriteUrl: field.url('MUSTER_TELEMETRY_REMOTE_WRITE_URL', { optional: true, protocols: ['http', 'https'] }),
  remoteWriteProtocol: field.oneOf('MUSTER_TELEMETRY_REMOTE_WRITE_PROTOCOL', PROTOCOLS, { default: '1.0' }),
  remoteWriteLabels: field.list('MUSTER_TELEMETRY_REMOTE_WRITE_LABELS', { default: DEFAULT_ENDPOINT_LABELS }),
  remoteWriteLabelsDenied: field.list('MUSTER_TELEMETRY_REMOTE_WRITE_LABELS_DENIED', { default: [] }),
  /** `from=to` each. */
  remoteWriteLabelsRenamed: field.list('MUSTER_TELEMETRY_REMOTE_WRITE_LABELS_RENAMED', {
    default: [],
    example: 'host=instance',
  }),
  /** `name=value` each. */
  remoteWriteExternalLabels: field.list('MUSTER_TELEMETRY_REMOTE_WRITE_EXTERNAL_LABELS', {
    default: [],
    example: 'cluster=eu-1',
  }),
  /** `Name=value` each. */
  remoteWriteHeaders: field.list('MUSTER_TELEMETRY_REMOTE_WRITE_HEADERS', {
    default: [],
    example: 'X-Scope-OrgID=fleet',
  }),
  remoteWriteBearerToken: field.secret('MUSTER_TELEMETRY_REMOTE_WRITE_BEARER_TOKEN', { optional: true }),
  remoteWriteUsername: field.text('MUSTER_TELEMETRY_REMOTE_WRITE_USERNAME', { optional: true }),
  remoteWritePassword: field.secret('MUSTER_TELEMETRY_REMOTE_WRITE_PASSWORD', { optional: true }),
  /** No secret, but a document, so it may be a file. */
  remoteWriteCa: field.secret('MUSTER_TELEMETRY_REMOTE_WRITE_CA', { optional: true, check: pemFault }),
  remoteWriteShards: field.int('MUSTER_TELEMETRY_REMOTE_WRITE_SHARDS', { default: 4, min: 1, max: 64 }),
  remoteWriteBatchSamples: field.int('MUSTER_TELEMETRY_REMOTE_WRITE_BATCH_SAMPLES', {
    default: 2_000,
    min: 1,
    max: 50_000,
  }),
  remoteWriteBatchAgeMs: field.durationMs('MUSTER_TELEMETRY_REMOTE_WRITE_BATCH_AGE', { default: 5_000, min: 10 }),
  remoteWritePendingSamples: field.int('MUSTER_TELEMETRY_REMOTE_WRITE_PENDING_SAMPLES', {
    default: 10_000_000,
    min: 1_000,
  }),
  remoteWriteSeries: field.int('MUSTER_TELEMETRY_REMOTE_WRITE_SERIES', { default: 3_000_000, min: 1_000 }),
  remoteWriteEndpointSeries: field.int('MUSTER_TELEMETRY_REMOTE_WRITE_ENDPOINT_SERIES', { default: 1_000, min: 10 }),
  remoteWriteSampleAgeMs: field.durationMs('MUSTER_TELEMETRY_REMOTE_WRITE_SAMPLE_AGE', {
    default: 30 * MINUTE_MS,
    min: MINUTE_MS,
  }),
  remoteWriteStaleAfterMs: field.durationMs('MUSTER_TELEMETRY_REMOTE_WRITE_STALE_AFTER', {
    default: 5 * MINUTE_MS,
    min: 5_000,
  }),
  remoteWriteTimeoutMs: field.durationMs('MUSTER_TELEMETRY_REMOTE_WRITE_TIMEOUT', { default: 30_000, min: 100 }),
  remoteWriteFlushMs: field.durationMs('MUSTER_TELEMETRY_REMOTE_WRITE_FLUSH', { default: 5_000 }),
};

type RemoteWriteConfig = ConfigOf<ConfigDefinition<typeof remoteWriteFields>>;

/** Conditions across the fields, for `check` of the service's configuration. */
export function remoteWriteFaults(config: RemoteWriteConfig): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  const add = (name: string, fault: string): void => void faults.push({ name: `${PREFIX}_${name}`, fault });
  for (const [name, list] of [
    ['LABELS_RENAMED', config.remoteWriteLabelsRenamed],
    ['EXTERNAL_LABELS', config.remoteWriteExternalLabels],
    ['HEADERS', config.remoteWriteHeaders],
  ] as const) {
    const wrong = list.find((item) => !/^[^=\s]+=\S/.test(item));
    if (wrong !== undefined) add(name, `has ${JSON.stringify(wrong)}, which is not name=value`);
  }
  const names = [...config.remoteWriteLabels, ...Object.keys(pairs(config.remoteWriteExternalLabels))];
  const wrong = [...names, ...Object.values(pairs(config.remoteWriteLabelsRenamed))].find((name) => !isLabelName(name));
  if (wrong !== undefined) add('LABELS', `or its renamed or external ones have ${wrong}, no label name of Prometheus`);
  const { remoteWriteLabels: labels, remoteWriteLabelsDenied: denied } = config;
  if (!ENDPOINT_IDS.some((id) => labels.includes(id) && !denied.includes(id)))
    add('LABELS', `must have ${ENDPOINT_IDS.join(' or ')}, not denied: two hosts of one name would write one series`);
  if ((config.remoteWriteUsername === undefined) !== (config.remoteWritePassword === undefined))
    add('PASSWORD', `and ${PREFIX}_USERNAME must be set together`);
  if (config.remoteWriteBearerToken !== undefined && config.remoteWriteUsername !== undefined)
    add('BEARER_TOKEN', `is set, and so is ${PREFIX}_USERNAME; keep one of them`);
  if (config.remoteWriteStaleAfterMs > config.remoteWriteSampleAgeMs)
    add('STALE_AFTER', `must not be longer than ${PREFIX}_SAMPLE_AGE`);
  return faults;
}

/** The value of a secret at any later time. */
type Latest = (secret: Secret) => () => string;

/** What the writer is made with; `undefined` where no store is configured. `latest` follows the files of secrets. */
export function remoteWriteOptions(
  config: RemoteWriteConfig,
  latest: Latest = (secret) => () => secret.reveal(),
): RemoteWriteOptions | undefined {
  if (config.remoteWriteUrl === undefined) return undefined;
  return {
    url: new URL(config.remoteWriteUrl),
    protocol: config.remoteWriteProtocol,
    labels: {
      allow: config.remoteWriteLabels,
      deny: config.remoteWriteLabelsDenied,
      rename: pairs(config.remoteWriteLabelsRenamed),
      external: pairs(config.remoteWriteExternalLabels),
    },
    headers: pairs(config.remoteWriteHeaders),
    ...authorization(config, latest),
    ...(config.remoteWriteCa === undefined ? {} : { ca: config.remoteWriteCa.reveal() }),
    shards: config.remoteWriteShards,
    batchSamples: config.remoteWriteBatchSamples,
    batchAgeMs: config.remoteWriteBatchAgeMs,
    pendingSamples: config.remoteWritePendingSamples,
    maxSeries: config.remoteWriteSeries,
    maxSeriesPerEndpoint: config.remoteWriteEndpointSeries,
    maxSampleAgeMs: config.remoteWriteSampleAgeMs,
    staleAfterMs: config.remoteWriteStaleAfterMs,
    timeoutMs: config.remoteWriteTimeoutMs,
    flushMs: config.remoteWriteFlushMs,
    backoff: { baseMs: 500, capMs: 30_000 },
  };
}

function authorization(config: RemoteWriteConfig, latest: Latest): Pick<RemoteWriteOptions, 'authorization'> {
  const { remoteWriteBearerToken: bearer, remoteWriteUsername: user, remoteWritePassword: password } = config;
  if (bearer !== undefined) {
    const token = latest(bearer);
    return { authorization: () => `Bearer ${token()}` };
  }
  if (user === undefined || password === undefined) return {};
  const current = latest(password);
  return { authorization: () => `Basic ${Buffer.from(`${user}:${current()}`).toString('base64')}` };
}

function pairs(list: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(list.map((item) => [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)]));
}

function pemFault(text: string): string | undefined {
  return text.includes('-----BEGIN CERTIFICATE-----') ? undefined : 'must be certificates in PEM';
}
