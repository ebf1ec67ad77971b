import { describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { registration, type RegistryHarness } from './registry-harness.js';

/** How long the first callers wait: the silence that counts as absence, and some of a busy machine's time. */
const FIRST_MS = 2_700;
const LATER_MS = 500;

/** A store that stands still with its connections open, as a process under SIGSTOP does. */
export function silenceContract(harness: RegistryHarness): void {
  describe('a store that stands still', () => {
    it('costs those two seconds who ask first, nothing those who ask later, and is used again when it goes on', async () => {
      await harness.registered('gw-a');
      const agents = Array.from({ length: 200 }, (_, i) => registration({ agentId: `agent-${i}` }));
      const ids = agents.map(({ agentId }) => agentId);
      await harness.registry.register('gw-a', agents);
      await harness.fixture.freeze();
      try {
        const first = await timed(() =>
          Promise.all([harness.registry.lookup(ids), harness.registry.gateways(), harness.registry.generation()]),
        );
        expect(first.result.map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable', 'unavailable']);
        expect(first.ms).toBeLessThan(FIRST_MS);
        for (let n = 0; n < 20; n += 1) {
          const later = await timed(() => harness.registry.lookup(ids));
          expect(later.result.kind).toBe('unavailable');
          expect(later.ms).toBeLessThan(LATER_MS);
          const writes = await timed(() => harness.registry.register('gw-a', agents));
          expect(writes.result.every(({ kind }) => kind === 'unavailable')).toBe(true);
          expect(writes.ms).toBeLessThan(LATER_MS);
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        expect([harness.registry.connected, harness.registry.fault]).toEqual([false, expect.any(String)]);
      } finally {
        await harness.fixture.resume();
      }
      await eventually(async () => (await harness.registry.lookup(ids)).kind === 'found', 'the store', 5_000);
      await harness.live('gw-new');
      expect((await harness.register('gw-new')).kind).toBe('registered');
    });
  });
}

async function timed<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const startedMs = performance.now();
  const result = await run();
  return { result, ms: performance.now() - startedMs };
}
