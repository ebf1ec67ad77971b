import { expect, test } from '@jest/globals';
import { defineConfig, loadConfig } from '@muster/runtime';
import { listenerFaults, listenerFields, serviceFields, tlsFiles } from './common-fields.js';

const definition = defineConfig({
  prefix: 'MUSTER_DEMO_',
  fields: { ...serviceFields, ...listenerFields },
  check: listenerFaults,
});
const required = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222', MUSTER_REDIS_URL: 'redis://127.0.0.1:6379' };
const load = (env: Record<string, string>) => loadConfig(definition, { ...required, ...env });

test('only the brokers are required; without a certificate a listener has no TLS', () => {
  const result = load({});
  if (!result.ok) throw result.error;
  expect(result.config).toMatchObject({ healthHost: '0.0.0.0', healthPort: 9090 });
  expect(tlsFiles(result.config)).toEqual({});
});

test('certificate and key belong together', () => {
  const result = load({ MUSTER_TLS_CERT_FILE: '/tls.crt', MUSTER_TLS_KEY_FILE: '/tls.key' });
  if (!result.ok) throw result.error;
  expect(tlsFiles(result.config)).toEqual({ tls: { certFile: '/tls.crt', keyFile: '/tls.key' } });
  const alone = load({ MUSTER_TLS_KEY_FILE: '/tls.key' });
  expect(!alone.ok && alone.error.faults).toMatchObject([{ name: 'MUSTER_TLS_CERT_FILE' }]);
});
