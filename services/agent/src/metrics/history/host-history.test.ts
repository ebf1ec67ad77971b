import { describe, expect, test } from '@jest/globals';
import {
  absentValues,
  decodeHistory,
  groupMetric,
  groupOffset,
  hostMetric,
  makeShape,
  type Sample,
  type Shape,
} from '@muster/host-metrics';
import { FakeClock } from '@muster/runtime/testing';
import { HostHistory } from './host-history.js';

const SHAPE = makeShape({ core: ['0', '1'], interface: ['eth0'] });
const LOAD = hostMetric('system.cpu.load_average.1m');
const BYTES = groupOffset(
  SHAPE,
  'interface',
  0,
  groupMetric('interface', 'system.network.io', { 'network.io.direction': 'receive' }),
);
const DAY = 24 * 3_600_000;

class Past {
  readonly clock = new FakeClock();
  /** How much the clock of the endpoint was set forward. */
  setMs = 0;
  readonly history = new HostHistory({
    now: () => this.clock.now() + this.setMs,
    elapsedMs: () => this.clock.monotonic(),
  });

  add(
    seconds: number,
    values: (second: number) => Readonly<Record<number, number>> = () => ({}),
    shape: Shape = SHAPE,
  ): void {
    for (let i = 0; i < seconds; i += 1) {
      const all = absentValues(shape).fill(0);
      for (const [at, value] of Object.entries(values(i))) all[Number(at)] = value;
      this.history.add({ shape, values: all });
      this.clock.advance(1_000);
    }
  }

  seconds(secondsMs = DAY): Sample[] {
    return this.history.pieces({ secondsMs, minutesMs: 0 }).flatMap((piece) => [...decodeHistory(piece).samples]);
  }

  minutes(wanted: string): Sample[] {
    const pieces = this.history.pieces({ secondsMs: 0, minutesMs: DAY }).map((piece) => decodeHistory(piece));
    return pieces.filter(({ kind }) => kind === wanted).flatMap(({ samples }) => [...samples]);
  }
}

describe('what an endpoint keeps of its past', () => {
  test('every second of the last ten minutes, and as much of it as is asked for', () => {
    const past = new Past();
    past.add(2_000, (second) => ({ [LOAD]: second }));
    const seconds = past.seconds();
    expect(seconds.slice(-600).map(({ values }) => values[LOAD])).toEqual(
      Array.from({ length: 600 }, (_, i) => 1_400 + i),
    );
    // No more than the piece in which the ten minutes begin.
    expect(seconds.length).toBeLessThanOrEqual(720);
    expect(past.seconds(30_000).map(({ values }) => values[LOAD])).toEqual(
      Array.from({ length: 30 }, (_, i) => 1_970 + i),
    );
  });

  test('mean, lowest and highest of each minute; of counters their growth per second', () => {
    const past = new Past();
    // The clock starts 20 s into a minute.
    past.add(40 + 120, (second) => ({ [LOAD]: second % 60, [BYTES]: second * 1_000 + (second >= 100 ? 500_000 : 0) }));
    const [mean, lowest, highest] = ['mean', 'lowest', 'highest'].map((kind) => past.minutes(kind)) as [
      Sample[],
      Sample[],
      Sample[],
    ];
    expect(mean.map(({ atMs }) => atMs % 60_000)).toEqual([0, 0]);
    // The second minute: seconds 40 to 99.
    expect([lowest[1]!.values[LOAD], highest[1]!.values[LOAD], mean[1]!.values[LOAD]]).toEqual([0, 59, 30]);
    expect([lowest[1]!.values[BYTES], highest[1]!.values[BYTES], mean[1]!.values[BYTES]]).toEqual([
      1_000, 1_000, 1_000,
    ]);
    past.add(60);
    expect(past.minutes('highest')[2]!.values[BYTES]).toBe(501_000);
  });

  test('a counter that goes back says nothing of that second, and is never negative', () => {
    const past = new Past();
    past.add(200, (second) => ({ [BYTES]: second === 70 ? 5 : 1_000_000 + second * 10 }));
    expect(past.minutes('lowest').every(({ values }) => values[BYTES]! >= 0)).toBe(true);
    expect(past.minutes('lowest').map(({ values }) => values[BYTES])).toEqual([10, 10, 10]);
  });

  test.each([-DAY, -3_000, 3_000, DAY])(
    'a clock that is set by %s ms moves the whole past, which stays in order',
    (byMs) => {
      const past = new Past();
      past.add(300);
      past.setMs = byMs;
      past.add(300);
      const times = past.seconds().map(({ atMs }) => atMs);
      expect(times).toHaveLength(600);
      expect(times.slice(1).every((atMs, i) => atMs - times[i]! === 1_000)).toBe(true);
      expect(times.at(-1)).toBe(past.clock.now() + byMs - 1_000);
    },
  );

  test('disks that come and go begin new pieces, and nothing is lost', () => {
    const past = new Past();
    const other = makeShape({ ...SHAPE.names, disk: ['sdb'] });
    for (let i = 0; i < 30; i += 1) past.add(10, () => ({}), i % 2 === 0 ? SHAPE : other);
    expect(past.seconds()).toHaveLength(300);
  });

  test('a day of the largest samples, all of whose values change, stays within five megabytes', () => {
    const past = new Past();
    const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);
    const large = makeShape({
      core: names(256),
      disk: names(32),
      interface: names(32),
      filesystem: names(32),
      temperature: names(16),
    });
    const add = (count: number, stepMs: number): number => {
      for (let i = 0; i < count; i += 1) {
        const atMs = past.clock.monotonic();
        past.history.add({
          shape: large,
          values: absentValues(large).map((_, at) => (atMs * atMs * (1 + (at % 7)) + at) % 2 ** 40),
        });
        past.clock.advance(stepMs);
      }
      return past.history.bytes;
    };
    // The ring of seconds is full, then those of minutes.
    const seconds = add(200, 1_000);
    expect(seconds).toBeGreaterThan(1_100_000);
    expect(seconds).toBeLessThan(1_300_000);
    expect(add(400, 60_000)).toBeLessThan(4_100_000);
    const pieces = past.history.pieces({ secondsMs: DAY, minutesMs: DAY });
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(64 * 1024);
  });
});
