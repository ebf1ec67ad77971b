import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateCommandRoot, publicJwks, type PublicJwks } from '@muster/identity';
import { loadGatewayConfig } from '../config.js';
import { GatewayHarness } from '../testing/gateway-harness.js';
import { TestAgent } from '../testing/test-agent.js';

let harness: GatewayHarness;
beforeAll(async () => {
  harness = await GatewayHarness.open();
});
afterAll(() => harness.close());

async function trustOf(env: Readonly<Record<string, string>>): Promise<unknown> {
  const gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: 'ws', ...env });
  const reply = await new TestAgent().enroll(gateway.url);
  expect(reply.status).toBe(201);
  return ((await reply.json()) as { trust?: unknown }).trust;
}

it('an agent that enrols gets the public roots of commands, and nothing else of them', async () => {
  const [one, two] = [await generateCommandRoot(), await generateCommandRoot()];
  const roots: PublicJwks = { keys: [...publicJwks(one).keys, ...publicJwks(two).keys] };
  expect(await trustOf({ MUSTER_COMMAND_ROOTS: JSON.stringify(roots) })).toEqual({
    keys: roots.keys.map(({ kid, x }) => ({ kid, x })),
  });
});

it('an agent gets no root where none is configured', async () => {
  expect(await trustOf({})).toBeUndefined();
});

it('a gateway does not start with a private root: that key must not be at the edge', async () => {
  const result = loadGatewayConfig({ MUSTER_COMMAND_ROOTS: JSON.stringify(await generateCommandRoot()) });
  expect(result).toMatchObject({ ok: false });
  const text = result.ok ? '' : result.error.message;
  expect(text).toContain('MUSTER_COMMAND_ROOTS must not have private keys');
});

it.each(['uws', 'ws'])(
  'labels that are no map of texts, and keys of small order, cannot enrol over %s',
  async (transport) => {
    const gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
    for (const labels of [[], ['a'], [{}], 'a', 1, { a: 1 }, { a: ['b'] }]) {
      const reply = await new TestAgent().enroll(gateway.url, { body: { labels } });
      expect([reply.status, await reply.text()]).toEqual([400, expect.stringContaining('is not an object of texts')]);
    }
    // The neutral point, for which this proof is valid whatever it is for.
    const neutral = Buffer.from(`01${'00'.repeat(31)}`, 'hex');
    const proof = Buffer.concat([neutral, Buffer.alloc(32)]).toString('base64url');
    const body = { publicKey: neutral.toString('base64url'), proof };
    const reply = await new TestAgent().enroll(gateway.url, { body });
    expect([reply.status, await reply.text()]).toEqual([400, expect.stringContaining('not a raw Ed25519 public key')]);
  },
);
