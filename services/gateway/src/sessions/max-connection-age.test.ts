import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../testing/fake-session.js';
import { Hub } from './hub/hub.js';
import { MaxConnectionAge } from './max-connection-age.js';
import type { Session } from './hub/session.js';

const HOUR = 3_600_000;
const MINUTE = 60_000;

function setUp(...sessions: Session[]) {
  const clock = new FakeClock();
  const hub = new Hub();
  for (const session of sessions) {
    session.moveAtMs = HOUR;
    hub.add(session);
  }
  const [asked, ended]: [Session[], Session[]] = [[], []];
  const moves: object[] = [];
  const reasons: string[] = [];
  const sessionManager = {
    askToMove: (moved: Iterable<Session>, move: object) => {
      asked.push(...moved);
      moves.push(move);
    },
    end: (session: Session, reason: string) => {
      reasons.push(reason);
      session.state = 'closed';
      hub.remove(session);
      ended.push(session);
    },
  };
  const age = new MaxConnectionAge({
    hub,
    sessions: sessionManager,
    clock,
    maxAgeMs: HOUR,
    random: () => 0,
  });
  age.start();
  return { clock, hub, asked, ended, moves, reasons, age };
}

describe('sessions that are old', () => {
  it('are asked to move, once, and closed when they have not moved a minute later', () => {
    const [one, two] = [fakeSession(1).session, fakeSession(2).session];
    const { clock, hub, asked, ended, moves, reasons, age } = setUp(one, two);
    clock.advance(HOUR - 1);
    expect(asked).toEqual([]);
    clock.advance(5_000);
    expect(asked).toEqual([one, two]);
    one.state = 'closed';
    hub.remove(one);
    clock.advance(MINUTE);
    expect(ended).toEqual([]);
    clock.advance(15_000);
    expect([asked.length, ended]).toEqual([2, [two]]);
    expect([moves, reasons]).toEqual([[{ spreadMs: 5_000, reason: 'session_age' }], ['sessionAge']]);
    age.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('of agents that poll are closed only after a poll that could have fetched the request', () => {
    const { session } = fakeSession(1, { mode: 'poll', dueMs: 2 * HOUR });
    const { clock, asked, ended, age } = setUp(session);
    clock.advance(2 * HOUR);
    expect([asked, ended]).toEqual([[session], []]);
    clock.advance(MINUTE);
    expect(ended).toEqual([]);
    clock.advance(15_000);
    expect(ended).toEqual([session]);
    age.stop();
  });

  it('get an age of three quarters to all of the longest', () => {
    const { age, clock } = setUp();
    expect(age.moveAtMs() - clock.monotonic()).toBe(0.75 * HOUR);
    age.stop();
  });
});
