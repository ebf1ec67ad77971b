import { describe, expect, test } from '@jest/globals';
import { CLOSE, type SessionMode } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { TransportSelector } from './transport-selector.js';
import type { ConnectionEnd } from '../contract/session-connection.js';

const MINUTE = 60_000;
const CUT: ConnectionEnd = { kind: 'closed', code: 1006, reason: '' };
const FAILED: ConnectionEnd = { kind: 'failed', error: new Error('connect ECONNREFUSED') };
const SILENT: ConnectionEnd = { kind: 'abandoned', why: 'gateway_silent' };
const refused = (status: number, code?: string): ConnectionEnd => ({
  kind: 'refused',
  refusal: { status, ...(code !== undefined && { code }) },
});
const closed = (code: number): ConnectionEnd => ({ kind: 'closed', code, reason: '' });

function fixture({ random = 0.5, fallsBack = true }: { random?: number; fallsBack?: boolean } = {}) {
  const clock = new FakeClock();
  const setting: { mode: SessionMode; intervalMs: number } = { mode: 'live', intervalMs: MINUTE };
  const selector = new TransportSelector({ desired: { setting, fallsBack }, clock, random: () => random });
  return {
    clock,
    selector,
    assign: (mode: SessionMode, spreadMs = 0) => {
      setting.mode = mode;
      selector.modeChanged(spreadMs);
    },
    fail: (times: number, end = FAILED) => {
      for (let i = 0; i < times; i += 1) selector.attemptFailed('live', end);
    },
    /** A Live session that was held for so long and then ended. */
    hold: (heldMs: number, end: ConnectionEnd) => {
      selector.ready('live');
      clock.advance(heldMs);
      return selector.sessionEnded('live', end);
    },
  };
}

describe('the transport selector', () => {
  test('selects the desired mode until Live has failed three times in a row', () => {
    const { selector, clock, fail, assign } = fixture();
    expect([selector.preferred, selector.next, selector.fallback, selector.probeInMs]).toEqual([
      'live',
      'live',
      undefined,
      undefined,
    ]);
    assign('poll');
    expect([selector.preferred, selector.next]).toEqual(['poll', 'poll']);
    assign('live');
    fail(2);
    expect(selector.next).toBe('live');
    clock.advance(4_000);
    fail(1);
    expect([selector.preferred, selector.next]).toEqual(['poll', 'poll']);
    expect(selector.fallback).toEqual({
      forMs: 4_000,
      failures: 3,
      why: 'the connection failed: connect ECONNREFUSED',
    });
  });

  test('alternates while both fail, and polls again once Poll was ready', () => {
    const { selector, fail } = fixture();
    fail(3);
    expect(selector.next).toBe('poll');
    selector.attemptFailed('poll', FAILED);
    expect(selector.next).toBe('live');
    fail(1);
    expect(selector.next).toBe('poll');
    selector.ready('poll');
    selector.sessionEnded('poll', CUT);
    expect(selector.next).toBe('poll');
  });

  test('alternates too if the desired mode is Poll and Poll fails, but not when pinned', () => {
    for (const fallsBack of [true, false]) {
      const { selector, assign } = fixture({ fallsBack });
      assign('poll');
      for (let i = 0; i < 3; i += 1) selector.attemptFailed('poll', refused(404, 'not_found'));
      expect([selector.preferred, selector.next]).toEqual(['poll', fallsBack ? 'live' : 'poll']);
      selector.ready('live');
      selector.sessionEnded('live', closed(CLOSE.draining.code));
      expect(selector.next).toBe('poll');
      selector.attemptFailed('poll', FAILED);
      selector.ready('poll');
      selector.attemptFailed('poll', FAILED);
      expect(selector.next).toBe('poll');
    }
  });

  test('Live is probed after a random time of up to 30 s, which doubles up to 10 minutes', () => {
    const { selector, clock, fail } = fixture({ random: 0.999_999 });
    fail(3);
    expect(selector.probeInMs).toBe(29_999);
    clock.advance(20_000);
    expect(selector.probeInMs).toBe(9_999);
    const delays = Array.from({ length: 6 }, () => {
      fail(1);
      return selector.probeInMs;
    });
    expect(delays).toEqual([59_999, 119_999, 239_999, 479_999, 599_999, 599_999]);
  });

  test('a Live session that is cut within 30 s is one more failure; one that was held resets the count', () => {
    const { selector, fail, hold } = fixture();
    fail(2);
    expect(hold(29_999, CUT)).toBe(true);
    expect(selector.next).toBe('poll');
    expect(selector.fallback).toMatchObject({ failures: 3, why: 'the connection was cut after 30 s' });
    expect(hold(29_000, CUT)).toBe(true);
    expect(selector.fallback).toMatchObject({ failures: 4 });
    expect(hold(30_000, CUT)).toBe(false);
    expect([selector.next, selector.fallback]).toEqual(['live', undefined]);
    fail(2);
    expect(selector.next).toBe('live');
  });

  test('while Live is ready, however briefly, it is preferred', () => {
    const { selector, fail } = fixture();
    fail(3);
    selector.ready('live');
    expect([selector.preferred, selector.fallback, selector.probeInMs]).toEqual(['live', undefined, undefined]);
    selector.left('live');
    expect(selector.preferred).toBe('poll');
  });

  test('silence is noticed late: sessions that end so within two minutes have not held', () => {
    const { selector, hold } = fixture();
    for (let i = 0; i < 3; i += 1) expect(hold(65_000, SILENT)).toBe(true);
    expect(selector.next).toBe('poll');
    expect(hold(3 * MINUTE, SILENT)).toBe(false);
    expect(selector.next).toBe('live');
  });

  test.each<[string, ConnectionEnd]>([
    ['no connection', FAILED],
    ['no WELCOME in time', { kind: 'abandoned', why: 'no_session_in_time' }],
    ['bytes that are no frame', { kind: 'abandoned', why: 'protocol_error:no_frame' }],
    ['a proxy that wants a password', refused(407)],
    ['an answer of a load balancer', refused(502)],
    ['a proxy that forbids', refused(403)],
    ['an upgrade whose header a proxy removed', refused(426, 'upgrade_required')],
    ['an upgrade whose key a proxy removed', refused(400, 'bad_request')],
    ['a hello that never arrived', closed(CLOSE.helloTimeout.code)],
    ['frames that were changed by a proxy', closed(CLOSE.protocolError.code)],
  ])('%s shows that the network path does not carry Live', (_name, end) => {
    const { selector } = fixture();
    expect(selector.attemptFailed('live', end)).toBe(true);
  });

  test.each<[string, ConnectionEnd]>([
    ['a token that is refused', refused(401, 'token_expired')],
    ['an agent that was revoked', refused(403, 'revoked')],
    ['a rate limit', refused(429, 'rate_limited')],
    ['a gateway that is full', refused(503, 'gateway_full')],
    ['a gateway that drains', refused(503, 'draining')],
    ...[CLOSE.draining, CLOSE.goingAway, CLOSE.overloaded, CLOSE.fenced, CLOSE.internalError, CLOSE.sessionAge].map(
      ({ code }) => [`close ${code}`, closed(code)] as [string, ConnectionEnd],
    ),
    ...[CLOSE.unauthenticated, CLOSE.revoked, CLOSE.superseded, CLOSE.duplicateIdentity, CLOSE.helloInvalid].map(
      ({ code }) => [`close ${code}`, closed(code)] as [string, ConnectionEnd],
    ),
  ])('%s would be the same over Poll', (_name, end) => {
    const { selector, hold } = fixture();
    for (let i = 0; i < 5; i += 1) {
      expect(selector.attemptFailed('live', end)).toBe(false);
      expect(hold(1_000, end)).toBe(false);
    }
    expect(selector.next).toBe('live');
  });

  test('during a fallback, an end that is not a path fault leads to a probe with backoff', () => {
    const { selector, clock, fail } = fixture();
    fail(3);
    clock.advance(15_000);
    expect(selector.probeInMs).toBe(0);
    selector.attemptFailed('live', {
      kind: 'refused',
      refusal: { status: 503, code: 'draining', retryAfterMs: 60_000 },
    });
    expect(selector.probeInMs).toBe(90_000);
    expect(selector.fallback).toMatchObject({ failures: 3 });
  });

  test('a postponed probe is not made earlier', () => {
    const { selector, clock, fail } = fixture();
    fail(3);
    selector.postponeProbe(5_000);
    expect(selector.probeInMs).toBe(15_000);
    clock.advance(15_000);
    selector.postponeProbe(300_000);
    expect(selector.probeInMs).toBe(300_000);
  });

  test('Live assigned again is tried soon; Poll assigned ends the fallback', () => {
    const { selector, clock, fail, assign } = fixture({ random: 0.5 });
    fail(5);
    expect(selector.probeInMs).toBe(60_000);
    assign('live', 10_000);
    expect(selector.probeInMs).toBe(5_000);
    assign('poll');
    expect([selector.preferred, selector.fallback, selector.probeInMs]).toEqual(['poll', undefined, undefined]);
    clock.advance(MINUTE);
    assign('live');
    expect([selector.preferred, selector.fallback]).toEqual(['live', undefined]);
  });

  test('pinned to Live it does not fall back', () => {
    const { selector, fail } = fixture({ fallsBack: false });
    fail(10);
    expect([selector.preferred, selector.next, selector.fallback]).toEqual(['live', 'live', undefined]);
  });
});
