import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { EndedSessions } from './ended-sessions.js';

describe('how poll sessions ended', () => {
  it('is known for ten minutes', () => {
    const clock = new FakeClock();
    const ended = new EndedSessions(clock);
    ended.note('a', { code: 4502, reason: 'superseded' });
    clock.advance(300_000);
    ended.note('b', { code: 1000, reason: 'normal' });
    clock.advance(299_999);
    expect(ended.of('a')).toEqual({ code: 4502, reason: 'superseded' });
    clock.advance(1);
    expect([ended.of('a'), ended.of('b')]).toEqual([undefined, { code: 1000, reason: 'normal' }]);
  });

  it('is bounded: the oldest is forgotten first', () => {
    const ended = new EndedSessions(new FakeClock());
    for (let i = 0; i <= 20_000; i += 1) ended.note(`s${i}`, { code: 1000, reason: 'normal' });
    expect([ended.of('s0'), ended.of('s1')?.code, ended.of('s20000')?.code]).toEqual([undefined, 1000, 1000]);
  });
});
