import { describe, expect, it, jest } from '@jest/globals';
import { Presence } from './presence.js';

describe('presence', () => {
  it('has who was connected from when to when, and knows nothing of the time in which the process stood still', () => {
    jest.useFakeTimers({ now: 1_000 });
    try {
      const presence = new Presence();
      presence.connected('a');
      presence.connected('b');
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
      jest.setSystemTime(9_000);
      presence.stoodStill(3_000);
      expect(presence.all.slice(1)).toEqual([
        { agentId: 'a', fromMs: 1_000, toMs: 3_000 },
        { agentId: 'a', fromMs: 9_000 },
      ]);
    } finally {
      jest.useRealTimers();
    }
  });
});
