import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../testing/fake-session.js';
import { drainSessions } from './drain.js';
import { Hub } from './hub/hub.js';
import type { Session } from './hub/session.js';

function setUp(count: number) {
  const clock = new FakeClock();
  const hub = new Hub();
  const sessions = Array.from({ length: count }, (_, i) => fakeSession(i + 1).session);
  for (const session of sessions) hub.add(session);
  const asked: { readonly sessions: Session[]; readonly move: object }[] = [];
  const stopping = new AbortController();
  const drain = async (): Promise<number> => {
    await drainSessions(
      {
        ...{ hub, clock, logger: silentLogger, drainSpreadMs: 2_000, drainGraceMs: 1_000 },
        sessions: { askToMove: (all, move) => void asked.push({ sessions: [...all], move }) },
      },
      stopping.signal,
    );
    return clock.monotonic();
  };
  return { clock, hub, sessions, asked, stopping, drain };
}

describe('a drain', () => {
  it('asks every agent once to move within the spread, and ends when all have left', async () => {
    const { clock, hub, sessions, asked, drain } = setUp(2);
    const draining = drain();
    await clock.advanceAsync(500);
    expect(asked).toEqual([{ sessions, move: { spreadMs: 2_000, reason: 'draining' } }]);
    hub.remove(sessions[0]!);
    await clock.advanceAsync(500);
    hub.remove(sessions[1]!);
    await clock.advanceAsync(5_000);
    const tookMs = await draining;
    expect([tookMs > 1_000, tookMs <= 1_100 + 5_000, asked.length, clock.pendingTimers]).toEqual([true, true, 1, 0]);
  });

  it('ends at the end of spread and grace, when agents stay', async () => {
    const { clock, drain } = setUp(1);
    let endedAtMs: number | undefined;
    const draining = drain().then((atMs) => (endedAtMs = atMs));
    await clock.advanceAsync(2_900);
    expect(endedAtMs).toBeUndefined();
    await clock.advanceAsync(100);
    await draining;
    expect(endedAtMs).toBe(3_000);
  });

  it('ends as soon as the last one has left', async () => {
    const { clock, hub, sessions, drain } = setUp(1);
    let endedAtMs: number | undefined;
    const draining = drain().then((atMs) => (endedAtMs = atMs));
    await clock.advanceAsync(1_050);
    hub.remove(sessions[0]!);
    await clock.advanceAsync(50);
    await draining;
    expect(endedAtMs).toBe(1_100);
  });

  it('ends at once when the process must, or when there is nobody', async () => {
    const { clock, stopping, drain } = setUp(1);
    const draining = drain();
    await clock.advanceAsync(200);
    stopping.abort();
    await draining;
    expect(clock.pendingTimers).toBe(0);
    const empty = setUp(0);
    await empty.drain();
    expect(empty.asked).toEqual([]);
  });
});
