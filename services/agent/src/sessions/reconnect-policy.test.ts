import { describe, expect, test } from '@jest/globals';
import { CLOSE } from '@muster/protocol';
import { ReconnectPolicy } from './reconnect-policy.js';
import type { ConnectionEnd } from '../contract/session-connection.js';

const MINUTE = 60_000;
const closed = (code: number): ConnectionEnd => ({ kind: 'closed', code, reason: '' });

/** Numbers that are as random as Math.random, and the same at every run. */
function randomNumbers(seed = 1): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe('the reconnect policy', () => {
  test('the first delay is random within a second, so that a fleet that was cut off together spreads', () => {
    const random = randomNumbers();
    const delays = Array.from(
      { length: 2_000 },
      () => new ReconnectPolicy(random).afterConnection(closed(1006)).delayMs,
    );
    for (let slot = 0; slot < 10; slot += 1) {
      const inSlot = delays.filter((delay) => delay >= slot * 100 && delay < (slot + 1) * 100).length;
      expect(inSlot).toBeGreaterThan(140);
    }
    expect(Math.max(...delays)).toBeLessThan(1_000);
  });

  test('delays double up to a minute, and are reset only by a session that was held', () => {
    const policy = new ReconnectPolicy(() => 0.999_999);
    const next = (): number => policy.afterConnection(closed(1006)).delayMs;
    expect([next(), next(), next()]).toEqual([999, 1_999, 3_999]);
    policy.sessionHeld(5_000);
    expect(next()).toBe(7_999);
    for (let i = 0; i < 20; i += 1) next();
    expect(next()).toBe(59_999);
    policy.sessionHeld(30_000);
    expect(next()).toBe(999);
  });

  test('the agents of a gateway that was killed come back within the time that it told them, once', () => {
    const policy = new ReconnectPolicy(() => 0.999_999);
    const next = (): number => policy.afterConnection(closed(1006)).delayMs;
    policy.sessionReady(7_500);
    policy.sessionHeld(30_000);
    expect([next(), next(), next()]).toEqual([7_499, 1_999, 3_999]);
    policy.sessionReady(500);
    policy.sessionHeld(30_000);
    expect(next()).toBe(999);
    policy.sessionReady(3_600_000);
    policy.sessionHeld(30_000);
    expect(next()).toBe(59_999);
  });

  test('a move that comes to a gateway that drains is tried again soon, each time', () => {
    const policy = new ReconnectPolicy(() => 0.999_999);
    const refusal = { status: 503, code: 'draining', retryAfterMs: 1_000 };
    const next = (isMove: boolean): number => policy.afterConnection({ kind: 'refused', refusal }, { isMove }).delayMs;
    expect([next(true), next(true), next(true), next(true)]).toEqual([1_999, 1_999, 1_999, 1_999]);
    // Without a session nothing bounds the attempts but the backoff.
    expect(next(false)).toBeLessThan(next(false));
  });

  test('a gateway gets 5 s for its first answer, and more when attempts have failed', () => {
    const policy = new ReconnectPolicy(() => 0);
    const timeouts = Array.from({ length: 4 }, () => {
      const { openTimeoutMs } = policy;
      policy.afterConnection(closed(1006));
      return openTimeoutMs;
    });
    expect(timeouts).toEqual([5_000, 5_000, 10_000, 15_000]);
    policy.sessionReady(7_500);
    policy.sessionHeld(30_000);
    expect(policy.openTimeoutMs).toBe(12_500);
  });

  test('Retry-After is a floor with jitter in proportion above it', () => {
    const refused: ConnectionEnd = {
      kind: 'refused',
      refusal: { status: 503, code: 'gateway_full', retryAfterMs: 40_000 },
    };
    expect(new ReconnectPolicy(() => 0).afterConnection(refused).delayMs).toBe(40_000);
    expect(new ReconnectPolicy(() => 0.999_999).afterConnection(refused).delayMs).toBeGreaterThan(50_000);
  });

  test.each([
    { ...CLOSE.superseded, minutes: 5 },
    { ...CLOSE.duplicateIdentity, minutes: 1 },
    { ...CLOSE.helloInvalid, minutes: 5 },
    { ...CLOSE.helloTooBig, minutes: 5 },
  ])('close $code keeps away for $minutes min at least', ({ code, minutes }) => {
    for (const random of [0, 0.5, 0.999]) {
      const { delayMs, enrol, level } = new ReconnectPolicy(() => random).afterConnection(closed(code));
      expect(delayMs).toBeGreaterThanOrEqual(minutes * MINUTE);
      expect(delayMs).toBeLessThan(2 * minutes * MINUTE);
      expect({ enrol, level }).toEqual({ enrol: false, level: 'error' });
    }
  });

  test('a revoked agent tries once an hour', () => {
    const policy = new ReconnectPolicy(() => 0);
    expect(policy.afterConnection(closed(CLOSE.revoked.code)).delayMs).toBe(60 * MINUTE);
    expect(policy.afterRefusal({ status: 403, code: 'revoked' }, 'connect').delayMs).toBe(60 * MINUTE);
    expect(policy.afterRefusal({ status: 403, code: 'revoked' }, 'enrol').delayMs).toBe(60 * MINUTE);
  });

  test('a refused token is replaced once quickly, then only every few minutes', () => {
    const policy = new ReconnectPolicy(() => 0.5);
    const refused: ConnectionEnd = { kind: 'refused', refusal: { status: 401, code: 'unauthenticated' } };
    expect(policy.afterConnection(refused)).toMatchObject({ enrol: true, delayMs: 500 });
    expect(policy.afterConnection(refused).delayMs).toBeGreaterThanOrEqual(5 * MINUTE);
    expect(policy.afterConnection(closed(CLOSE.unauthenticated.code)).delayMs).toBeGreaterThanOrEqual(5 * MINUTE);
    policy.sessionHeld(MINUTE);
    expect(policy.afterConnection(refused)).toMatchObject({ enrol: true, delayMs: 500 });
  });

  test('a refused enrolment is repeated only after minutes', () => {
    const policy = new ReconnectPolicy(() => 0);
    expect(policy.afterRefusal({ status: 401, code: 'enrolment_refused' }, 'enrol').delayMs).toBe(5 * MINUTE);
  });

  test.each([400, 401, 403, 404, 407, 426])(
    '%i of something that is not a gateway says nothing about this agent',
    (status) => {
      const policy = new ReconnectPolicy(() => 0.5);
      for (const delayMs of [500, 1_000, 2_000]) {
        const refused: ConnectionEnd = { kind: 'refused', refusal: { status } };
        expect(policy.afterConnection(refused)).toMatchObject({ delayMs, enrol: false, level: 'info' });
      }
    },
  );
});
