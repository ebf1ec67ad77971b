import { describe, expect, it } from '@jest/globals';
import type { ModeOverride } from '@muster/directory';
import { decodeBody, encodeBody, LIMITS } from '@muster/protocol';
import { desiredMode, inForce, isSameMode, modeBody } from './desired-mode.js';

const POLICY = { mode: 'poll', intervalMs: 300_000, reason: 'policy: site=branch' } as const;
const OVERRIDE: ModeOverride = { mode: 'live', reason: 'incident 4711', by: 'op', atMs: 1_000 };
const LEASE = { ...OVERRIDE, untilMs: 50_000 };

describe('the desired mode of an agent', () => {
  it('is what the policy says, unless an operator overrides it', () => {
    expect(desiredMode(undefined, POLICY)).toBe(POLICY);
    expect(desiredMode(OVERRIDE, POLICY)).toEqual({ mode: 'live', intervalMs: 300_000, reason: 'incident 4711' });
  });

  it('has the interval of the override, within the limits, else that of the policy', () => {
    const intervalOf = (intervalMs: number) => desiredMode({ ...OVERRIDE, intervalMs }, POLICY).intervalMs;
    expect([0, 999, 1_500.4, 1e12].map(intervalOf)).toEqual([1_000, 1_000, 1_500, LIMITS.pollIntervalMaxMs]);
  });

  it('goes back to what the policy says when a lease is over', () => {
    const desired = desiredMode({ ...LEASE, intervalMs: 5_000 }, POLICY);
    expect(inForce(desired, 49_999)).toBe(desired);
    expect(inForce(desired, 50_000)).toEqual({ mode: 'poll', intervalMs: 300_000 });
  });

  it('is sent with the time that a lease still has, in a body that fits the protocol', () => {
    const body = modeBody(desiredMode(LEASE, POLICY), { nowMs: 20_000, spreadMs: 7 });
    expect(body).toEqual({
      ...{ mode: 'live', intervalMs: 300_000, reason: 'incident 4711', spreadMs: 7 },
      lease: { forMs: 30_000, next: { mode: 'poll', intervalMs: 300_000 } },
    });
    expect(decodeBody('mode', encodeBody('mode', body))).toEqual({ ok: true, body });
    expect(modeBody(desiredMode(OVERRIDE, POLICY), { nowMs: 0, spreadMs: 0 })).not.toHaveProperty('lease');
    const long = { ...OVERRIDE, reason: 'x'.repeat(LIMITS.reasonBytes + 1) };
    const clipped = encodeBody('mode', modeBody(desiredMode(long, POLICY), { nowMs: 0, spreadMs: 0 }));
    expect(decodeBody('mode', clipped).ok).toBe(true);
  });
});

describe('two desired modes are the same', () => {
  it('when an agent would do the same, whatever the reason', () => {
    const same = (one: ModeOverride, other: ModeOverride, policy = POLICY): boolean =>
      isSameMode(desiredMode(one, POLICY), desiredMode(other, policy));
    expect(same(OVERRIDE, { ...OVERRIDE, reason: 'another' })).toBe(true);
    expect(same(LEASE, { ...LEASE })).toBe(true);
    expect(same(OVERRIDE, { ...OVERRIDE, mode: 'poll' })).toBe(false);
    expect(same(OVERRIDE, { ...OVERRIDE, intervalMs: 2_000 })).toBe(false);
    expect(same(OVERRIDE, LEASE)).toBe(false);
    expect(same(LEASE, { ...LEASE, untilMs: 50_001 })).toBe(false);
    const fixed = { ...LEASE, intervalMs: 2_000 };
    expect(same(fixed, fixed, { ...POLICY, intervalMs: 1_000 } as unknown as typeof POLICY)).toBe(false);
  });
});
