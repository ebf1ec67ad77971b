import { expect, test } from '@jest/globals';
import { STREAMS } from '@muster/records';
import { defineConfig, loadConfig } from '@muster/runtime';
import { serviceFields } from './common-fields.js';
import { reservedBytes, streamDefinitions } from './stream-definitions.js';

const definition = defineConfig({ prefix: 'MUSTER_DEMO_', fields: serviceFields });
const required = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222', MUSTER_REDIS_URL: 'redis://127.0.0.1:6379' };
function streams(env: Record<string, string> = {}) {
  const result = loadConfig(definition, { ...required, ...env });
  if (!result.ok) throw result.error;
  const all = streamDefinitions(result.config);
  return { all, byName: Object.fromEntries(all.map((stream) => [stream.name, stream])) };
}

test('without settings the streams are as they are defined, and 8.25 GiB are reserved', () => {
  const { all } = streams();
  expect(all).toEqual(Object.values(STREAMS));
  expect(reservedBytes(all)).toBe(8.25 * 1024 ** 3);
});

test('a small installation bounds what may go: 32 MiB are reserved', () => {
  const { all, byName } = streams({
    MUSTER_STREAM_RESULTS_BYTES: '16MiB',
    MUSTER_STREAM_RESULTS_AGE: '6h',
    MUSTER_STREAM_IDEMPOTENCY_BYTES: '16MiB',
    MUSTER_STREAM_AUDIT_AGE: '90d',
    MUSTER_STREAM_QUERIES_AGE: '1d',
  });
  expect(reservedBytes(all)).toBe(32 * 1024 ** 2);
  expect(byName['MUSTER_RESULTS']).toMatchObject({ maxBytes: 16 * 1024 ** 2, maxAgeMs: 6 * 3_600_000 });
  expect(byName['MUSTER_AUDIT']).toMatchObject({ maxAgeMs: 90 * 86_400_000 });
  expect(byName['MUSTER_QUERIES']).toMatchObject({ maxAgeMs: 86_400_000 });
});

test('audit and queries may be bounded in bytes; identities, commands and tokens never are', () => {
  const { byName } = streams({ MUSTER_STREAM_QUERIES_BYTES: '1GiB', MUSTER_STREAM_AUDIT_BYTES: '2GiB' });
  expect(byName['MUSTER_QUERIES']).toMatchObject({ maxBytes: 1024 ** 3 });
  expect(byName['MUSTER_AUDIT']).toMatchObject({ maxBytes: 2 * 1024 ** 3 });
  for (const name of ['MUSTER_IDENTITIES', 'MUSTER_COMMANDS', 'MUSTER_TOKENS']) {
    expect(byName[name]).not.toHaveProperty('maxBytes');
  }
});

test('replicas are told of every stream, or of none', () => {
  expect(streams({ MUSTER_STREAM_REPLICAS: '3' }).all.map(({ replicas }) => replicas)).toEqual(
    Object.values(STREAMS).map(() => 3),
  );
});
