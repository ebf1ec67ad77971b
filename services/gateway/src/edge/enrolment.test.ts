import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateCommandRoot, publicJwks, type PublicJwks } from '@muster/identity';
import { loadGatewayConfig } from '../config.js';
import { GatewayHarness } from '../testing/running-gateway.js';
import { TestAgent } from '../testing/test-agent.js';

let lab: GatewayHarness;
beforeAll(async () => {
  lab = await GatewayHarness.open();
});
afterAll(() => lab.close());

async function trustOf(env: Readonly<Record<string, string>>): Promise<unknown> {
  const gateway = await lab.startGateway({ MUSTER_GATEWAY_TRANSPORT: 'ws', ...env });
  const reply = await new TestAgent().enroll(gateway.url);
  expect(reply.status).toBe(201);
  return ((await reply.json()) as { trust?: unknown }).trust;
}

it('an agent that enrols is told the public roots of commands, and nothing else of them', async () => {
  const [one, two] = [await generateCommandRoot(), await generateCommandRoot()];
  const roots: PublicJwks = { keys: [...publicJwks(one).keys, ...publicJwks(two).keys] };
  expect(await trustOf({ MUSTER_COMMAND_ROOTS: JSON.stringify(roots) })).toEqual({
    keys: roots.keys.map(({ kid, x }) => ({ kid, x })),
  });
});

it('where no root is configured there is none to pin', async () => {
  expect(await trustOf({})).toBeUndefined();
});

it('a gateway does not start with a private root: it would be one key too many at the edge', async () => {
  const result = loadGatewayConfig({ MUSTER_COMMAND_ROOTS: JSON.stringify(await generateCommandRoot()) });
  expect(result).toMatchObject({ ok: false });
  const text = result.ok ? '' : result.error.message;
  expect(text).toContain('MUSTER_COMMAND_ROOTS must not have private keys');
});
