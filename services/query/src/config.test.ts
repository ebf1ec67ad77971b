import { expect, test } from '@jest/globals';
import { loadQueryConfig } from './config.js';

const required = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222', MUSTER_REDIS_URL: 'redis://127.0.0.1:6379' };

test('a result may not be larger than the stream that keeps it', () => {
  const small = { ...required, MUSTER_STREAM_RESULTS_BYTES: '64MiB' };
  const result = loadQueryConfig(small);
  expect(!result.ok && result.error.faults).toMatchObject([{ name: 'MUSTER_QUERY_MAX_RESULT_BYTES' }]);
  expect(loadQueryConfig({ ...small, MUSTER_QUERY_MAX_RESULT_BYTES: '64MiB' }).ok).toBe(true);
});
