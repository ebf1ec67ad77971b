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
  const choice = new TransportSelector({ wanted: { setting, fallsBack }, clock, random: () => random });
  return {
    clock,
    choice,
    tell: (mode: SessionMode, spreadMs = 0) => {
      setting.mode = mode;
      choice.toldAnew(spreadMs);
    },
    fail: (times: number, end = FAILED) => {
      for (let i = 0; i < times; i += 1) choice.attemptFailed('live', end);
    },
    /** A Live session that was held for so long and then ended. */
    hold: (heldMs: number, end: ConnectionEnd) => {
      choice.ready('live');
      clock.advance(heldMs);
      return choice.sessionEnded('live', end);
    },
  };
}

describe('the choice of the channel', () => {
  test('is what was told, until Live has failed three times in a row', () => {
    const { choice, clock, fail, tell } = fixture();
    expect([choice.usual, choice.next, choice.away, choice.retryInMs]).toEqual(['live', 'live', undefined, undefined]);
    tell('poll');
    expect([choice.usual, choice.next]).toEqual(['poll', 'poll']);
    tell('live');
    fail(2);
    expect(choice.next).toBe('live');
    clock.advance(4_000);
    fail(1);
    expect([choice.usual, choice.next]).toEqual(['poll', 'poll']);
    expect(choice.away).toEqual({
      forMs: 4_000,
      failures: 3,
      why: 'the connection failed: connect ECONNREFUSED',
    });
  });

  test('takes turns while both fail, and polls again once Poll was ready', () => {
    const { choice, fail } = fixture();
    fail(3);
    expect(choice.next).toBe('poll');
    choice.attemptFailed('poll', FAILED);
    expect(choice.next).toBe('live');
    fail(1);
    expect(choice.next).toBe('poll');
    choice.ready('poll');
    choice.sessionEnded('poll', CUT);
    expect(choice.next).toBe('poll');
  });

  test('told to poll and unable to, it takes turns too; but not pinned', () => {
    for (const fallsBack of [true, false]) {
      const { choice, tell } = fixture({ fallsBack });
      tell('poll');
      for (let i = 0; i < 3; i += 1) choice.attemptFailed('poll', refused(404, 'not_found'));
      expect([choice.usual, choice.next]).toEqual(['poll', fallsBack ? 'live' : 'poll']);
      choice.ready('live');
      choice.sessionEnded('live', closed(CLOSE.draining.code));
      expect(choice.next).toBe('poll');
      choice.attemptFailed('poll', FAILED);
      choice.ready('poll');
      choice.attemptFailed('poll', FAILED);
      expect(choice.next).toBe('poll');
    }
  });

  test('Live is tried after a random time of up to 30 s, which doubles up to 10 minutes', () => {
    const { choice, clock, fail } = fixture({ random: 0.999_999 });
    fail(3);
    expect(choice.retryInMs).toBe(29_999);
    clock.advance(20_000);
    expect(choice.retryInMs).toBe(9_999);
    const delays = Array.from({ length: 6 }, () => {
      fail(1);
      return choice.retryInMs;
    });
    expect(delays).toEqual([59_999, 119_999, 239_999, 479_999, 599_999, 599_999]);
  });

  test('a Live session that is cut within 30 s is one more failure; one that held starts the count anew', () => {
    const { choice, fail, hold } = fixture();
    fail(2);
    expect(hold(29_999, CUT)).toBe(true);
    expect(choice.next).toBe('poll');
    expect(choice.away).toMatchObject({ failures: 3, why: 'the connection was cut after 30 s' });
    expect(hold(29_000, CUT)).toBe(true);
    expect(choice.away).toMatchObject({ failures: 4 });
    expect(hold(30_000, CUT)).toBe(false);
    expect([choice.next, choice.away]).toEqual(['live', undefined]);
    fail(2);
    expect(choice.next).toBe('live');
  });

  test('while Live is ready, however young, it is where the session belongs', () => {
    const { choice, fail } = fixture();
    fail(3);
    choice.ready('live');
    expect([choice.usual, choice.away, choice.retryInMs]).toEqual(['live', undefined, undefined]);
    choice.left('live');
    expect(choice.usual).toBe('poll');
  });

  test('silence is noticed late: sessions that end so within two minutes have not held', () => {
    const { choice, hold } = fixture();
    for (let i = 0; i < 3; i += 1) expect(hold(65_000, SILENT)).toBe(true);
    expect(choice.next).toBe('poll');
    expect(hold(3 * MINUTE, SILENT)).toBe(false);
    expect(choice.next).toBe('live');
  });

  test.each<[string, ConnectionEnd]>([
    ['no connection', FAILED],
    ['no WELCOME in time', { kind: 'abandoned', why: 'no_session_in_time' }],
    ['bytes that are no frame', { kind: 'abandoned', why: 'protocol_error:no_frame' }],
    ['a proxy that wants a password', refused(407)],
    ['an answer of a load balancer', refused(502)],
    ['a proxy that forbids', refused(403)],
    ['an upgrade whose header a proxy took away', refused(426, 'upgrade_required')],
    ['an upgrade whose key a proxy took away', refused(400, 'bad_request')],
    ['a hello that never arrived', closed(CLOSE.helloTimeout.code)],
    ['frames that were changed on the way', closed(CLOSE.protocolError.code)],
  ])('%s shows that the way does not carry Live', (_name, end) => {
    const { choice } = fixture();
    expect(choice.attemptFailed('live', end)).toBe(true);
  });

  test.each<[string, ConnectionEnd]>([
    ['a token that is refused', refused(401, 'token_expired')],
    ['an agent that was revoked', refused(403, 'revoked')],
    ['too many at once', refused(429, 'rate_limited')],
    ['a gateway that is full', refused(503, 'gateway_full')],
    ['a gateway that drains', refused(503, 'draining')],
    ...[CLOSE.draining, CLOSE.goingAway, CLOSE.overloaded, CLOSE.fenced, CLOSE.internalError, CLOSE.sessionAge].map(
      ({ code }) => [`close ${code}`, closed(code)] as [string, ConnectionEnd],
    ),
    ...[CLOSE.unauthenticated, CLOSE.revoked, CLOSE.superseded, CLOSE.duplicateIdentity, CLOSE.helloInvalid].map(
      ({ code }) => [`close ${code}`, closed(code)] as [string, ConnectionEnd],
    ),
  ])('%s would be the same over Poll', (_name, end) => {
    const { choice, hold } = fixture();
    for (let i = 0; i < 5; i += 1) {
      expect(choice.attemptFailed('live', end)).toBe(false);
      expect(hold(1_000, end)).toBe(false);
    }
    expect(choice.next).toBe('live');
  });

  test('what is no fault of the way, met while away, is not asked about in a hurry', () => {
    const { choice, clock, fail } = fixture();
    fail(3);
    clock.advance(15_000);
    expect(choice.retryInMs).toBe(0);
    choice.attemptFailed('live', { kind: 'refused', refusal: { status: 503, code: 'draining', retryAfterMs: 60_000 } });
    expect(choice.retryInMs).toBe(90_000);
    expect(choice.away).toMatchObject({ failures: 3 });
  });

  test('Live that must wait for something else is not tried before that', () => {
    const { choice, clock, fail } = fixture();
    fail(3);
    choice.postpone(5_000);
    expect(choice.retryInMs).toBe(15_000);
    clock.advance(15_000);
    choice.postpone(300_000);
    expect(choice.retryInMs).toBe(300_000);
  });

  test('who is told anew to use Live tries it soon; told to poll, it is not away at all', () => {
    const { choice, clock, fail, tell } = fixture({ random: 0.5 });
    fail(5);
    expect(choice.retryInMs).toBe(60_000);
    tell('live', 10_000);
    expect(choice.retryInMs).toBe(5_000);
    tell('poll');
    expect([choice.usual, choice.away, choice.retryInMs]).toEqual(['poll', undefined, undefined]);
    clock.advance(MINUTE);
    tell('live');
    expect([choice.usual, choice.away]).toEqual(['live', undefined]);
  });

  test('pinned to Live it does not fall back', () => {
    const { choice, fail } = fixture({ fallsBack: false });
    fail(10);
    expect([choice.usual, choice.next, choice.away]).toEqual(['live', 'live', undefined]);
  });
});
