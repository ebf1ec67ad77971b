import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayIdentity } from './gateway-identity.js';
import { LeaseClock } from './lease-clock.js';

const LEASE_MS = 15_000;

function stoodStill() {
  const real = new FakeClock();
  const identity = new GatewayIdentity({ clock: real, logger: silentLogger, leaseMs: LEASE_MS });
  const seen: string[] = [];
  identity.listen({ fenced: () => seen.push('fenced') });
  identity.tick();
  return { real, identity, seen, clock: new LeaseClock(real, identity) };
}

describe('the clock of what acts in sessions', () => {
  it.each(['setTimeout', 'setInterval'] as const)(
    'fences a gateway that stood still before a timer runs: %s',
    (kind) => {
      const { real, clock, seen } = stoodStill();
      clock[kind](() => seen.push('ran'), LEASE_MS + 1);
      real.advance(LEASE_MS + 1);
      expect(seen).toEqual(['fenced', 'ran']);
    },
  );

  it('does not run a timer that the fence has cleared', () => {
    const { real, clock, identity, seen } = stoodStill();
    const timer = clock.setTimeout(() => seen.push('ran'), LEASE_MS + 1);
    identity.listen({ fenced: () => clock.clear(timer) });
    real.advance(LEASE_MS + 1);
    expect(seen).toEqual(['fenced']);
  });
});
