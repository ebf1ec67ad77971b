import { REDIS_URL } from '@muster/registry';
import { field, type ConfigFault } from '@muster/runtime';
import { tlsFileFaults } from './tls-files.js';

/** Settings of every service. Spread them into the `fields` of its configuration. */
export const serviceFields = {
  /** NATS servers, one or more. A URL may hold user and password. */
  natsUrls: field.urls('MUSTER_NATS_URL', { protocols: ['nats', 'tls'] }),
  /** One Redis, or a Redis Cluster (`redis-cluster://host:port,host:port`). */
  redisUrl: field.text('MUSTER_REDIS_URL', {
    pattern: REDIS_URL,
    expect: 'must be redis://host:port or redis-cluster://host:port,host:port',
    example: 'redis://127.0.0.1:6379',
  }),
  /** What JetStream may store (its `max_file_store`), for the metrics. Not needed where the NATS account has a limit. */
  storageLimitBytes: field.bytes('MUSTER_STORAGE_LIMIT', { optional: true, min: 1 }),
  /** Address of `/healthz`, `/readyz` and `/metrics`. */
  healthHost: field.text('MUSTER_HEALTH_HOST', { default: '0.0.0.0' }),
  /** 0 means any free port. */
  healthPort: field.port('MUSTER_HEALTH_PORT', { default: 9090 }),
};

/** What `serviceFields` give. */
export interface ServiceConfig {
  readonly natsUrls: readonly string[];
  readonly redisUrl: string;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly storageLimitBytes?: number | undefined;
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
