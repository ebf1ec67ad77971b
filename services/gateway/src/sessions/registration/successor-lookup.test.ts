import { describe, expect, it } from '@jest/globals';
import type { LookupResult, Presence } from '@muster/registry';
import { FakeClock } from '@muster/runtime/testing';
import { turn } from '../../testing/capability-harness.js';
import { fakeSession } from '../../testing/fake-session.js';
import { SuccessorLookup } from './successor-lookup.js';

const held = (epoch: number): Presence => ({
  session: { gatewayId: 'gw-b', epoch, mode: 'live', connectedAtMs: 0 },
  lastSeenMs: 0,
});

function setUp(agents: Readonly<Record<string, Presence>>, answer?: Promise<LookupResult>) {
  const clock = new FakeClock();
  const looks: (readonly string[])[] = [];
  const registry = {
    lookup: async (ids: readonly string[]): Promise<LookupResult> => {
      looks.push(ids);
      return answer ?? { kind: 'found', agents: new Map(Object.entries(agents)) };
    },
  };
  const lookup = new SuccessorLookup({ registry, clock });
  const ask = (num: number, epoch = 10) => {
    const { session } = fakeSession(num);
    session.epoch = epoch;
    return lookup.hasSuccessor(session);
  };
  return { ask, looks, clock };
}

describe('the newer session of an agent', () => {
  it('is one with a higher epoch; its own one and a former one are none', async () => {
    const { ask, looks } = setUp({ a1: held(11), a2: held(10), a3: held(9), a4: { lastSeenMs: 5 } });
    expect(await Promise.all([1, 2, 3, 4].map((num) => ask(num)))).toEqual([true, false, false, false]);
    expect(looks).toEqual([['a1', 'a2', 'a3', 'a4']]);
    expect(await ask(1)).toBe(true);
    expect(looks).toHaveLength(2);
  });

  it('is not known when the registry has lost the agent, or cannot be asked', async () => {
    expect(await setUp({}).ask(1)).toBeUndefined();
    const unavailable: LookupResult = { kind: 'unavailable', cause: new Error('away') };
    expect(await setUp({}, Promise.resolve(unavailable)).ask(1)).toBeUndefined();
  });

  it('is not waited for longer than a second', async () => {
    const { ask, clock } = setUp({}, new Promise<LookupResult>(() => undefined));
    const asked = ask(1);
    await turn();
    clock.advance(1_000);
    expect(await asked).toBeUndefined();
  });
});
