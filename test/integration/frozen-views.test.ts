import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiClient } from '@muster/api-client';
import { startHarness, type Harness } from '../kit/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness({ apis: 2, gateways: 1 });
});
afterAll(() => harness.close());

/** Longer than a reader waits for the broker before it asks anew. */
const FROZEN_MS = 6_000;

test('an API that stood still knows what the other one did meanwhile: who was revoked is out, what was made is there', async () => {
  const { stack } = harness;
  const [frozen, other] = stack.apis;
  const admin = new ApiClient({ url: other!.url, token: stack.token });
  const tokens = await Promise.all(
    Array.from({ length: 15 }, async (_, n) => {
      const { tokenId, token = '' } = await admin.call('POST /v1/tokens', { body: { name: `t${n}`, role: 'viewer' } });
      return { tokenId, token };
    }),
  );
  // A connection of each that is open already: what is sent on it is read as soon as the process goes on.
  const ask = async (token: string, path: string): Promise<Response> =>
    fetch(frozen!.url + path, { headers: { authorization: `Bearer ${token}` } });
  const before = await Promise.all(tokens.map(({ token }) => ask(token, '/v1/questions?limit=1')));
  expect([...new Set(before.map(({ status }) => status))]).toEqual([200]);
  await Promise.all(before.map(async (response) => response.arrayBuffer()));
  frozen!.signal('SIGSTOP');
  let asked: Promise<Response>[];
  let names: Promise<string[]>;
  try {
    const sinceMs = performance.now();
    for (const { tokenId } of tokens) await admin.call('DELETE /v1/tokens/{id}', { params: { id: tokenId } });
    for (let n = 0; n < 30; n += 1)
      await admin.call('PUT /v1/questions/{name}', {
        ...{ params: { name: `q${n}` }, body: { sql: 'SELECT 1 AS one', version: 0 } },
      });
    asked = tokens.map(({ token }) => ask(token, '/v1/questions?limit=1'));
    names = ask(stack.token, '/v1/questions').then(async (response) =>
      ((await response.json()) as { items: { name: string }[] }).items.map(({ name }) => name),
    );
    const leftMs = FROZEN_MS - (performance.now() - sinceMs);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, leftMs)));
  } finally {
    frozen!.signal('SIGCONT');
  }
  expect([...new Set((await Promise.all(asked)).map(({ status }) => status))]).toEqual([401]);
  expect(await names).toEqual(expect.arrayContaining(['q0', 'q29']));
});
