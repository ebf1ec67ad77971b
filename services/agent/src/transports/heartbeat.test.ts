import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { Heartbeat } from './heartbeat.js';

const EVERY_MS = 25_000;

/** A heartbeat, and a peer that answers pings after `rttMs`, or never. */
function start(options: { random?: () => number; rttMs?: number; gatewayEveryMs?: number; everyMs?: number } = {}) {
  const clock = new FakeClock();
  const begin = clock.monotonic();
  const sent: [at: number, what: string][] = [];
  const note = (what: string): void => void sent.push([clock.monotonic() - begin, what]);
  const heartbeat: Heartbeat = new Heartbeat({
    clock,
    everyMs: options.everyMs ?? EVERY_MS,
    gatewayEveryMs: options.gatewayEveryMs,
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

describe('a heartbeat, with a gateway that sends none', () => {
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
      [54_000, 'silent'],
    ]);
  });

  test('a peer that does not answer is given up 4 s after the ping', async () => {
    const { clock, sent } = start({ random: () => 1 });
    await clock.advanceAsync(300_000);
    expect(sent).toEqual([
      [25_000, 'pong'],
      [50_000, 'ping'],
      [54_000, 'silent'],
    ]);
  });

  test('anything received after a ping proves life, and only a pong measures the round trip', async () => {
    const { clock, heartbeat, sent } = start({ random: () => 1 });
    await clock.advanceAsync(50_000);
    expect(sent.at(-1)).toEqual([50_000, 'ping']);
    await clock.advanceAsync(3_999);
    heartbeat.received();
    await clock.advanceAsync(1);
    expect(sent.at(-1)).toEqual([50_000, 'ping']);
    expect(heartbeat.rttMs).toBeUndefined();
    heartbeat.pong();
    expect(heartbeat.rttMs).toBe(4_000);
    await clock.advanceAsync(1_000);
    heartbeat.pong();
    expect(heartbeat.rttMs).toBe(4_000);
  });

  test('stops', async () => {
    const { clock, heartbeat, sent } = start();
    heartbeat.stop();
    await clock.advanceAsync(300_000);
    expect(sent).toEqual([]);
  });
});

describe('a heartbeat, with a gateway that sends its own', () => {
  const PAIR = { everyMs: 48_000, gatewayEveryMs: 25_000 };

  test('is one round trip in its interval while the gateway speaks in between', async () => {
    const { clock, heartbeat, sent } = start({ ...PAIR, random: () => 1, rttMs: 40 });
    for (let round = 0; round < 10; round += 1) {
      await clock.advanceAsync(24_000);
      heartbeat.received();
      await clock.advanceAsync(24_000);
    }
    expect(sent).toEqual(Array.from({ length: 10 }, (_, round) => [(round + 1) * 48_000, 'ping']));
  });

  test('one of the gateway that is late is asked for, and costs nothing more when it was only late', async () => {
    const { clock, sent } = start({ ...PAIR, random: () => 1, rttMs: 3_900 });
    await clock.advanceAsync(30_000);
    expect(sent).toEqual([[26_000, 'ping']]);
  });

  test.each([0, 0.3, 0.56, 0.8, 1])(
    'a gateway that hangs is given up at most 30 s after it was heard last, whenever that was (%p)',
    async (random) => {
      const { clock, sent } = start({ ...PAIR, random: () => random });
      await clock.advanceAsync(300_000);
      const [silentAtMs, what] = sent.at(-1)!;
      expect(what).toBe('silent');
      expect(silentAtMs).toBeLessThanOrEqual(30_000);
    },
  );

  test('a process that stood still asks again before it gives the gateway up', async () => {
    const clock = new StallingClock();
    const sent: string[] = [];
    const heartbeat = new Heartbeat({
      ...{ ...PAIR, clock, random: () => 0.5 },
      sendPing: () => sent.push('ping'),
      sendPong: () => sent.push('pong'),
      onSilent: () => sent.push('silent'),
    });
    clock.advance(24_000);
    expect(sent).toEqual(['ping']);
    clock.stall(60_000);
    clock.advance(4_000);
    expect(sent).toEqual(['ping', 'ping']);
    clock.advance(3_999);
    expect(sent).toEqual(['ping', 'ping']);
    clock.advance(1);
    expect(sent).toEqual(['ping', 'ping', 'silent']);
    heartbeat.stop();
  });
});

/** Its time can go on while no timer fires, as where a process is suspended. */
class StallingClock extends FakeClock {
  #stalledMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.#stalledMs;
  }

  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}
