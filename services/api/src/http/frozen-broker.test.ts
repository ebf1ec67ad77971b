import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiHarness, type ApiProcess } from '../testing/api-harness.js';

let harness: ApiHarness;
let apis: ApiProcess[];
beforeAll(async () => {
  harness = await ApiHarness.open();
  apis = await Promise.all([harness.startApi(), harness.startApi()]);
});
afterAll(() => harness.close());

const ask = async (api: ApiProcess | undefined, key: string): Promise<{ status: number; code: string; ms: number }> => {
  const startedMs = performance.now();
  const body = { sql: 'SELECT 1', mode: 'group', timeout: '10s' };
  const { status, text } = (await api?.ask('POST', '/v1/queries', { body, key })) ?? { status: 0, text: '{}' };
  const { code = '' } = JSON.parse(text) as { code?: string };
  return { status, code, ms: performance.now() - startedMs };
};

test('keys that were used while the broker stood still are good for a repeat at once, through any API process', async () => {
  expect((await ask(apis[0], 'before')).status).toBe(201);
  const keys = Array.from({ length: 8 }, (_, i) => `key-${i}`);
  await harness.brokers.nats.freeze();
  let told: { status: number; code: string }[];
  try {
    told = await Promise.all(keys.map((key, i) => ask(apis[i % 2], key)));
  } finally {
    await harness.brokers.nats.resume();
  }
  expect(new Set(told.map(({ code }) => code))).toEqual(new Set(['broker_unavailable']));
  const seen = await Promise.all(
    keys.map(async (key, i) => {
      const codes: string[] = [];
      for (;;) {
        const { status, code } = await ask(apis[Math.floor(i / 2) % 2], key);
        if (status === 201) return codes;
        codes.push(code);
        if (codes.length > 60) return codes;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }),
  );
  // The API may still be connecting again; it must not say that the first attempt is under way.
  expect(new Set(seen.flat())).not.toContain('conflict');
  expect(Math.max(...seen.map(({ length }) => length))).toBeLessThan(60);
  const started = harness.service.asked.filter(({ t }) => t === 'start');
  expect(started).toHaveLength(keys.length + 1);
});
