import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { Heartbeat } from './heartbeat.js';

const EVERY_MS = 25_000;

/** A heartbeat, and a peer that answers pings after `rttMs`, or never. */
function start(options: { random?: () => number; rttMs?: number } = {}) {
  const clock = new FakeClock();
  const begin = clock.monotonic();
  const sent: [at: number, what: string][] = [];
  const note = (what: string): void => void sent.push([clock.monotonic() - begin, what]);
  const heartbeat: Heartbeat = new Heartbeat({
    clock,
    everyMs: EVERY_MS,
    random: options.random ?? (() => 0.5),
    sendPing: () => {
      note('ping');
      if (options.rttMs !== undefined) clock.setTimeout(() => heartbeat.pong(), options.rttMs);
    },
    sendPong: () => note('pong'),
    onSilent: () => note('silent'),
  });
  return { clock, heartbeat, sent };
}

describe('a heartbeat', () => {
  test('needs one round trip in two heartbeats on an idle session, and is never late', async () => {
    const { clock, sent } = start({ random: () => 1, rttMs: 40 });
    await clock.advanceAsync(10 * EVERY_MS);
    expect(sent).toEqual(
      Array.from({ length: 10 }, (_, index) => [(index + 1) * EVERY_MS, index % 2 === 0 ? 'pong' : 'ping']),
    );
  });

  test.each([0.01, 0.3, 0.49, 0.51, 0.99])(
    'begins at a random time, and leaves neither side silent for longer than two heartbeats (%p)',
    async (random) => {
      const { clock, sent } = start({ random: () => random, rttMs: 40 });
      await clock.advanceAsync(400_000);
      const times = sent.map(([at]) => at);
      expect(times[0]).toBe(random * EVERY_MS);
      for (const [index, at] of times.entries()) expect(at - (times[index - 1] ?? 0)).toBeLessThanOrEqual(EVERY_MS);
      const pings = sent.filter(([, what]) => what === 'ping').map(([at]) => at);
      for (const [index, at] of pings.entries()) {
        const previous = pings[index - 1];
        expect(at - (previous ?? 0)).toBeLessThanOrEqual(2 * EVERY_MS + 40);
        if (previous !== undefined) expect(at - previous).toBe(2 * EVERY_MS);
      }
    },
  );

  test('any other frame replaces it', async () => {
    const { clock, heartbeat, sent } = start({ random: () => 1 });
    for (let second = 0; second < 300; second += 15) {
      heartbeat.received();
      heartbeat.sent();
      await clock.advanceAsync(15_000);
    }
    expect(sent).toEqual([]);
    await clock.advanceAsync(10_000);
    expect(sent).toEqual([[310_000, 'pong']]);
  });

  test('agents that sent something together do not stay in step', async () => {
    const next: number[] = [];
    for (const random of [0, 0.4, 1]) {
      const draws = [0.01, random];
      const { clock, heartbeat, sent } = start({ random: () => draws.shift() ?? 1 });
      await clock.advanceAsync(10_000);
      heartbeat.received();
      heartbeat.sent();
      await clock.advanceAsync(EVERY_MS);
      next.push(sent[1]?.[0] ?? Number.NaN);
    }
    expect(next).toEqual([28_750, 31_250, 35_000]);
  });

  test('a peer that only receives is pinged', async () => {
    const { clock, heartbeat, sent } = start({ random: () => 1 });
    for (let second = 0; second < 70 && sent.every(([, what]) => what !== 'silent'); second += 1) {
      heartbeat.sent();
      await clock.advanceAsync(1_000);
    }
    expect(sent).toEqual([
      [50_000, 'ping'],
      [65_000, 'silent'],
    ]);
  });

  test('a peer that does not answer is given up 15 s after the ping, and gets heartbeats until then', async () => {
    const { clock, sent } = start({ random: () => 1 });
    await clock.advanceAsync(300_000);
    expect(sent).toEqual([
      [25_000, 'pong'],
      [50_000, 'ping'],
      [65_000, 'silent'],
    ]);
  });

  test('anything received after a ping proves life, and only a pong measures the round trip', async () => {
    const { clock, heartbeat, sent } = start({ random: () => 1 });
    await clock.advanceAsync(50_000);
    expect(sent.at(-1)).toEqual([50_000, 'ping']);
    await clock.advanceAsync(14_999);
    heartbeat.received();
    await clock.advanceAsync(1);
    expect(sent.at(-1)).toEqual([50_000, 'ping']);
    expect(heartbeat.rttMs).toBeUndefined();
    heartbeat.pong();
    expect(heartbeat.rttMs).toBe(15_000);
    await clock.advanceAsync(1_000);
    heartbeat.pong();
    expect(heartbeat.rttMs).toBe(15_000);
  });

  test('stops', async () => {
    const { clock, heartbeat, sent } = start();
    heartbeat.stop();
    await clock.advanceAsync(300_000);
    expect(sent).toEqual([]);
  });
});
