import { expect, test } from '@jest/globals';
import type { AgentId, OrgId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { MemoryRegistry } from '@muster/testkit';
import { RecentPresence } from './recent-presence.js';

const [A, B, C] = ['agent-1', 'agent-2', 'agent-3'] as [AgentId, AgentId, AgentId];

function setUp() {
  const clock = new FakeClock();
  clock.advance(60_000);
  const registry = new MemoryRegistry({ clock });
  const asked: (readonly string[])[] = [];
  const lookup = (agentIds: readonly string[]) => {
    asked.push(agentIds);
    return registry.lookup(agentIds);
  };
  const presence = new RecentPresence({ registry: { lookup }, clock });
  const hold = (agentId: AgentId) => registry.hold({ org: 'acme' as OrgId, agentId, num: 1, gatewayId: 'gw-a' });
  return { clock, registry, presence, asked, hold };
}

test('queries that ask for the same agents share what the registry says, for two seconds', async () => {
  const { clock, presence, asked, hold } = setUp();
  hold(A);
  const [first, second] = await Promise.all([presence.lookup([A, B]), presence.lookup([A, B, C])]);
  expect([first?.get(A)?.session?.gatewayId, first?.has(B), second?.size]).toEqual(['gw-a', false, 1]);
  expect(asked).toEqual([[A, B], [C]]);
  hold(B);
  clock.advance(2_000);
  expect((await presence.lookup([A, B]))?.has(B)).toBe(false);
  clock.advance(1);
  expect((await presence.lookup([A, B]))?.has(B)).toBe(true);
  expect(asked).toEqual([[A, B], [C], [A, B]]);
  presence.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('that the registry did not answer is not remembered', async () => {
  const { registry, presence, hold } = setUp();
  hold(A);
  registry.store.available = false;
  expect(await presence.lookup([A])).toBeUndefined();
  registry.store.available = true;
  expect((await presence.lookup([A]))?.has(A)).toBe(true);
  presence.stop();
});

test('what nobody asks for is forgotten', async () => {
  const { clock, presence } = setUp();
  await presence.lookup([A]);
  clock.advance(9_000);
  await presence.lookup([A]);
  clock.advance(9_000);
  expect(clock.pendingTimers).toBe(1);
  clock.advance(11_000);
  expect(clock.pendingTimers).toBe(0);
});
