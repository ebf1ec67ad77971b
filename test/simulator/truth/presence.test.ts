import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Presence } from './presence.js';

describe('presence', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('has who was connected from when to when', () => {
    const presence = new Presence();
    presence.connected('a');
    presence.connected('b');
    jest.setSystemTime(1_900);
    presence.beat();
    jest.setSystemTime(2_000);
    presence.connected('a');
    presence.gone('b');
    expect([presence.count, presence.all]).toEqual([
      1,
      [
        { agentId: 'b', fromMs: 1_000, toMs: 2_000 },
        { agentId: 'a', fromMs: 1_000 },
      ],
    ]);
  });

  it('knows nothing of the time in which the process stood still, also of sessions whose end it reads after that', () => {
    const presence = new Presence();
    for (const agentId of ['a', 'b']) presence.connected(agentId);
    jest.setSystemTime(1_250);
    presence.beat();
    jest.setSystemTime(9_000);
    presence.gone('b');
    presence.connected('c');
    expect(presence.all).toMatchObject([
      { agentId: 'b', fromMs: 1_000, toMs: 1_250 },
      { agentId: 'a', toMs: 1_250 },
      { agentId: 'c' },
    ]);
    presence.beat();
    expect(presence.all).toEqual([
      { agentId: 'b', fromMs: 1_000, toMs: 1_250 },
      { agentId: 'a', fromMs: 1_000, toMs: 1_250 },
      { agentId: 'a', fromMs: 9_000 },
      { agentId: 'c', fromMs: 9_000 },
    ]);
  });
});
