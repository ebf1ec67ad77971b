import { describe, expect, it } from '@jest/globals';
import type { ModeOverride } from '@muster/directory';
import { decodeBody, encodeBody, LIMITS } from '@muster/protocol';
import { doneByNow, isSameMode, modeBody, toldIntervalMs, desiredMode } from './desired-mode.js';

const POLICY = { mode: 'poll', intervalMs: 300_000, reason: 'policy: site=branch' } as const;
const ORDER: ModeOverride = { mode: 'live', reason: 'incident 4711', by: 'op', atMs: 1_000 };
const LEASE = { ...ORDER, untilMs: 50_000 };

describe('what is wanted of an agent', () => {
  it('is what the policy says, unless somebody ordered otherwise', () => {
    expect(desiredMode(undefined, POLICY)).toBe(POLICY);
    expect(desiredMode(ORDER, POLICY)).toEqual({ mode: 'live', intervalMs: 300_000, reason: 'incident 4711' });
  });

  it('has the interval of the order, within the limits, else that of the policy', () => {
    const intervalOf = (intervalMs: number) => desiredMode({ ...ORDER, intervalMs }, POLICY).intervalMs;
    expect([0, 999, 1_500.4, 1e12].map(intervalOf)).toEqual([1_000, 1_000, 1_500, LIMITS.pollIntervalMaxMs]);
  });

  it('goes back to what the policy says when a lease is over', () => {
    const wanted = desiredMode({ ...LEASE, intervalMs: 5_000 }, POLICY);
    expect(doneByNow(wanted, 49_999)).toBe(wanted);
    expect(doneByNow(wanted, 50_000)).toEqual({ mode: 'poll', intervalMs: 300_000 });
    expect(toldIntervalMs({ told: wanted }, 49_999)).toBe(5_000);
    expect(toldIntervalMs({ told: wanted }, 50_000)).toBe(300_000);
    expect(toldIntervalMs({ told: undefined }, 0)).toBe(LIMITS.pollIntervalMs);
  });

  it('is told with the time that a lease still has, in a body that fits the protocol', () => {
    const body = modeBody(desiredMode(LEASE, POLICY), { nowMs: 20_000, spreadMs: 7 });
    expect(body).toEqual({
      ...{ mode: 'live', intervalMs: 300_000, reason: 'incident 4711', spreadMs: 7 },
      lease: { forMs: 30_000, next: { mode: 'poll', intervalMs: 300_000 } },
    });
    expect(decodeBody('mode', encodeBody('mode', body))).toEqual({ ok: true, body });
    expect(modeBody(desiredMode(ORDER, POLICY), { nowMs: 0, spreadMs: 0 })).not.toHaveProperty('lease');
    const long = { ...ORDER, reason: 'x'.repeat(LIMITS.reasonBytes + 1) };
    const clipped = encodeBody('mode', modeBody(desiredMode(long, POLICY), { nowMs: 0, spreadMs: 0 }));
    expect(decodeBody('mode', clipped).ok).toBe(true);
  });
});

describe('two of them are the same', () => {
  it('when an agent would do the same, whatever the reason', () => {
    const same = (order: ModeOverride, other: ModeOverride, policy = POLICY): boolean =>
      isSameMode(desiredMode(order, POLICY), desiredMode(other, policy));
    expect(same(ORDER, { ...ORDER, reason: 'another' })).toBe(true);
    expect(same(LEASE, { ...LEASE })).toBe(true);
    expect(same(ORDER, { ...ORDER, mode: 'poll' })).toBe(false);
    expect(same(ORDER, { ...ORDER, intervalMs: 2_000 })).toBe(false);
    expect(same(ORDER, LEASE)).toBe(false);
    expect(same(LEASE, { ...LEASE, untilMs: 50_001 })).toBe(false);
    const fixed = { ...LEASE, intervalMs: 2_000 };
    expect(same(fixed, fixed, { ...POLICY, intervalMs: 1_000 } as unknown as typeof POLICY)).toBe(false);
  });
});
