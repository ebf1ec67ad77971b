import { expect, it } from '@jest/globals';
import type { ScanEntry } from '../registry.js';
import { registration, type RegistryHarness } from './registry-harness.js';

/** Many agents at once. */
export function fleetContract(harness: RegistryHarness): void {
  it('a scan gives all held agents of one org', async () => {
    const agents = (org: string, count: number) =>
      Array.from({ length: count }, (_, n) => registration({ org, num: n, agentId: `${org}-${n}`, mode: 'poll' }));
    await harness.registry.register('gw-a', agents('acme', 700));
    await harness.registry.register('gw-b', agents('other', 50));
    await harness.registry.register('gw-none', [registration({ org: 'acme', agentId: 'unheld' })]);
    await harness.registry.unregister([{ agentId: 'acme-3', epoch: 1_000 }]);
    const found: ScanEntry[] = [];
    for await (const page of harness.registry.scan('acme')) {
      if (page.kind === 'page') found.push(...page.entries);
    }
    expect(new Set(found.map((entry) => entry.agentId)).size).toBe(699);
    expect(found.find((entry) => entry.agentId === 'acme-5')).toEqual({
      ...{ agentId: 'acme-5', num: 5, gatewayId: 'gw-a', epoch: 1_000, mode: 'poll', connectedAtMs: 500 },
    });
  });

  it('15,000 agents are registered, looked up and unregistered within seconds', async () => {
    const items = Array.from({ length: 15_000 }, (_, n) => registration({ agentId: `fleet-${n}`, num: n }));
    const startedAt = performance.now();
    const results = await harness.registry.register('gw-a', items);
    const registeredAt = performance.now();
    expect(results.every((result) => result.kind === 'registered')).toBe(true);
    const found = await harness.registry.lookup(items.map(({ agentId }) => agentId));
    const foundAt = performance.now();
    expect(found.kind === 'found' && found.agents.size).toBe(15_000);
    const unregistered = await harness.registry.unregister(items.map(({ agentId }) => ({ agentId, epoch: 1_000 })));
    expect(unregistered).toEqual({ kind: 'unregistered', count: 15_000 });
    const spans = [registeredAt - startedAt, foundAt - registeredAt, performance.now() - foundAt].map(Math.round);
    process.stdout.write(
      `15,000 agents: registered in ${spans[0]} ms, found in ${spans[1]} ms, unregistered in ${spans[2]} ms\n`,
    );
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });
}
