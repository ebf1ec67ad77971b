import { parsePublicJwks, type PublicJwks } from '@muster/identity';
import { STREAMS } from '@muster/records';
import { REDIS_URL } from '@muster/registry';
import { field, type ConfigFault, type Secret } from '@muster/runtime';
import type { StreamBounds } from './stream-definitions.js';
import { pemFault, tlsFileFaults } from './tls-files.js';

const { results, queries, audit, idempotency } = STREAMS;
/** Less than this holds not even a few entries of the largest size. */
const MIN_STREAM = { min: 16 * 1024 ** 2 };
const AGE = { min: 60_000, max: 3_650 * 86_400_000 };

/** Where NATS is, and who the program is there. */
export const natsFields = {
  /** NATS servers, one or more. A URL may hold user and password. */
  natsUrls: field.urls('MUSTER_NATS_URL', { protocols: ['nats', 'tls'] }),
  /** These settings go before what a URL holds. */
  natsUser: field.text('MUSTER_NATS_USER', { optional: true, example: 'gateway' }),
  natsPassword: field.secret('MUSTER_NATS_PASSWORD', { optional: true }),
  /** Certificates that vouch for servers with `tls://`. No secret, but a document, so it may be a file. */
  natsCa: field.secret('MUSTER_NATS_CA', { optional: true, check: pemFault }),
};

/** The bounds of the streams, for `streamDefinitions`. Beyond them the oldest entries go. */
export const streamFields = {
  /** What JetStream may store on each server (its `max_file_store`). Not needed where the NATS account has a limit. */
  storageLimitBytes: field.bytes('MUSTER_STORAGE_LIMIT', { optional: true, min: 1 }),
  streamResultsBytes: field.bytes('MUSTER_STREAM_RESULTS_BYTES', { default: results.maxBytes, ...MIN_STREAM }),
  streamResultsAgeMs: field.durationMs('MUSTER_STREAM_RESULTS_AGE', { default: results.maxAgeMs, ...AGE }),
  streamQueriesBytes: field.bytes('MUSTER_STREAM_QUERIES_BYTES', { optional: true, ...MIN_STREAM }),
  streamQueriesAgeMs: field.durationMs('MUSTER_STREAM_QUERIES_AGE', { default: queries.maxAgeMs, ...AGE }),
  streamAuditBytes: field.bytes('MUSTER_STREAM_AUDIT_BYTES', { optional: true, ...MIN_STREAM }),
  streamAuditAgeMs: field.durationMs('MUSTER_STREAM_AUDIT_AGE', { default: audit.maxAgeMs, ...AGE }),
  streamIdempotencyBytes: field.bytes('MUSTER_STREAM_IDEMPOTENCY_BYTES', {
    default: idempotency.maxBytes,
    ...MIN_STREAM,
  }),
  /** On how many NATS servers each stream is kept. Without it, what is there stays. */
  streamReplicas: field.int('MUSTER_STREAM_REPLICAS', { optional: true, min: 1, max: 5 }),
};

/** Settings of every service. Spread them into the `fields` of its configuration. All services need the same of the streams. */
export const serviceFields = {
  ...natsFields,
  ...streamFields,
  /** One Redis, or a Redis Cluster (`redis-cluster://host:port,host:port`). */
  redisUrl: field.text('MUSTER_REDIS_URL', {
    pattern: REDIS_URL,
    expect: 'must be redis://host:port or redis-cluster://host:port,host:port',
    example: 'redis://127.0.0.1:6379',
  }),
  /** `own`: its user has the rights of `BROKER_RIGHTS` and no others, and `muster-setup` makes the streams. `all`: it may do everything. */
  natsRights: field.oneOf('MUSTER_NATS_RIGHTS', ['own', 'all'], { default: 'own' }),
  /** The public keys of APIs. Records that decide rights are signed with one of them. No secret, but a document, so it may be a file. */
  recordPublicKeys: field.parsedSecret('MUSTER_RECORD_PUBLIC_KEYS', parsePublicJwks, { optional: true }),
  /** What to do with such a record that has no valid signature. */
  unsignedRecords: field.oneOf('MUSTER_UNSIGNED_RECORDS', ['accept', 'refuse'], { default: 'accept' }),
  redisUser: field.text('MUSTER_REDIS_USER', { default: 'default' }),
  redisPassword: field.secret('MUSTER_REDIS_PASSWORD', { optional: true }),
  /** The same for a Redis with `rediss://`. */
  redisCa: field.secret('MUSTER_REDIS_CA', { optional: true, check: pemFault }),
  /** Address of `/healthz`, `/readyz` and `/metrics`. */
  healthHost: field.text('MUSTER_HEALTH_HOST', { default: '0.0.0.0' }),
  /** 0 means any free port. */
  healthPort: field.port('MUSTER_HEALTH_PORT', { default: 9090 }),
};

/** What `serviceFields` give. */
export interface ServiceConfig extends StreamBounds {
  readonly natsUrls: readonly string[];
  readonly redisUrl: string;
  readonly natsUser?: string | undefined;
  readonly natsPassword?: Secret | undefined;
  readonly natsCa?: Secret | undefined;
  readonly natsRights?: 'all' | 'own';
  readonly recordPublicKeys?: Secret<{ readonly jwks: PublicJwks }> | undefined;
  readonly unsignedRecords?: 'accept' | 'refuse';
  readonly redisUser: string;
  readonly redisPassword?: Secret | undefined;
  readonly redisCa?: Secret | undefined;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly storageLimitBytes?: number | undefined;
}

/** Who refuses unsigned records needs keys to tell them. `hasKeys`: the service has other ones. */
export function recordFaults(
  { recordPublicKeys, unsignedRecords }: Pick<ServiceConfig, 'recordPublicKeys' | 'unsignedRecords'>,
  hasKeys = false,
): ConfigFault[] {
  if (unsignedRecords !== 'refuse' || recordPublicKeys !== undefined || hasKeys) return [];
  return [{ name: 'MUSTER_UNSIGNED_RECORDS', fault: 'is "refuse", which needs MUSTER_RECORD_PUBLIC_KEYS' }];
}

/** Settings of a service that agents or people connect to. Their `check` is `listenerFaults`. */
export const listenerFields = {
  /** Certificate chain, PEM. Without it the service speaks plain HTTP, behind a load balancer that ends TLS. */
  tlsCertFile: field.text('MUSTER_TLS_CERT_FILE', { optional: true, example: '/etc/muster/tls.crt' }),
  /** Private key, PEM. */
  tlsKeyFile: field.text('MUSTER_TLS_KEY_FILE', { optional: true, example: '/etc/muster/tls.key' }),
  /** Addresses or networks whose `X-Forwarded-For` is believed. */
  trustedProxies: field.proxies('MUSTER_TRUSTED_PROXIES'),
};

interface TlsConfig {
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
}

/** Certificate and key are set together or not at all, can be read, and belong together. */
export function listenerFaults({ tlsCertFile, tlsKeyFile }: TlsConfig): ConfigFault[] {
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined) {
    return tlsFileFaults(
      { name: 'MUSTER_TLS_CERT_FILE', path: tlsCertFile },
      { name: 'MUSTER_TLS_KEY_FILE', path: tlsKeyFile },
    );
  }
  return tlsCertFile === tlsKeyFile
    ? []
    : [{ name: 'MUSTER_TLS_CERT_FILE', fault: 'needs MUSTER_TLS_KEY_FILE beside it, and the other way round' }];
}

/** The `tls` option of a listener, to spread: empty when no certificate is set. */
export function tlsFiles({ tlsCertFile: certFile, tlsKeyFile: keyFile }: TlsConfig): {
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
} {
  return certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } };
}
