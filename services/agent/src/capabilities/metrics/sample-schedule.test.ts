import { describe, expect, test } from '@jest/globals';
import { SampleSchedule } from './sample-schedule.js';

const MINUTE = 60_000;

/** The seconds at which a sample is due, looked at once a second as the handler does. */
function dueSeconds(schedule: SampleSchedule, fromMs: number, toMs: number): number[] {
  const due: number[] = [];
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000) {
    if (!schedule.isDue(nowMs)) continue;
    due.push(nowMs / 1_000);
    schedule.taken(nowMs);
  }
  return due;
}

describe('when samples are due', () => {
  test('never, before METRICS, with an interval of 0, and after the session has ended', () => {
    const schedule = new SampleSchedule(() => 0.5);
    expect(dueSeconds(schedule, 0, 10 * MINUTE)).toEqual([]);
    schedule.set({ everyMs: 0 }, 0);
    expect(dueSeconds(schedule, 0, 10 * MINUTE)).toEqual([]);
    schedule.set({ everyMs: MINUTE, watch: { everyMs: 1_000, forMs: MINUTE } }, 0);
    schedule.clear();
    expect(dueSeconds(schedule, 0, 10 * MINUTE)).toEqual([]);
  });

  test('the first at a random time within the interval, then once in each', () => {
    for (const [random, first] of [
      [0, 0],
      [0.5, 30],
      [0.99, 60],
    ] as const) {
      let drawn = 0;
      const schedule = new SampleSchedule(() => (drawn++ === 0 ? random : 0.5));
      schedule.set({ everyMs: MINUTE }, 0);
      expect(dueSeconds(schedule, 0, 4 * MINUTE)).toEqual(
        [0, 1, 2, 3].map((i) => first + 60 * i).filter((s) => s < 240),
      );
    }
  });

  test('intervals differ by at most a twentieth', () => {
    // As random as Math.random, and the same at every run.
    let state = 1;
    const schedule = new SampleSchedule(() => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647);
    schedule.set({ everyMs: MINUTE }, 0);
    const due = dueSeconds(schedule, 0, 200 * MINUTE);
    const gaps = due.slice(1).map((at, i) => at - due[i]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(57);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(63);
    expect(new Set(gaps).size).toBeGreaterThan(2);
  });

  test('METRICS that says the same again does not move the next sample', () => {
    const schedule = new SampleSchedule(() => 0.5);
    schedule.set({ everyMs: MINUTE }, 0);
    for (let nowMs = 0; nowMs < 30_000; nowMs += 1_000) schedule.set({ everyMs: MINUTE }, nowMs);
    expect(dueSeconds(schedule, 0, MINUTE)).toEqual([30]);
  });

  test('every second while it is watched, at once when it begins, and at the usual interval again by itself', () => {
    const schedule = new SampleSchedule(() => 0.5);
    schedule.set({ everyMs: MINUTE }, 0);
    const watch = { everyMs: 1_000, forMs: 10_000 };
    schedule.set({ everyMs: MINUTE, watch }, 5_000);
    const watched = dueSeconds(schedule, 5_000, 9_000);
    schedule.set({ everyMs: MINUTE, watch }, 9_000);
    watched.push(...dueSeconds(schedule, 9_000, 3 * MINUTE));
    expect(watched).toEqual([...Array.from({ length: 14 }, (_, i) => 5 + i), 78, 138]);
  });

  test('METRICS without a watch ends it', () => {
    const schedule = new SampleSchedule(() => 0.5);
    schedule.set({ everyMs: 0, watch: { everyMs: 1_000, forMs: 10_000 } }, 0);
    expect(dueSeconds(schedule, 0, 3_000)).toEqual([0, 1, 2]);
    schedule.set({ everyMs: 0 }, 3_000);
    expect(dueSeconds(schedule, 3_000, MINUTE)).toEqual([]);
  });

  test('not more than once a second, whatever METRICS says; no watch is longer than a minute', () => {
    const schedule = new SampleSchedule(() => 0.5);
    schedule.set({ everyMs: 1, watch: { everyMs: 1, forMs: 1e9 } }, 0);
    const due = new Set<number>();
    for (let nowMs = 0; nowMs < 10_000; nowMs += 100) {
      if (!schedule.isDue(nowMs)) continue;
      due.add(nowMs);
      schedule.taken(nowMs);
    }
    expect(due.size).toBeLessThanOrEqual(12);
    expect(schedule.isWatched(59_999)).toBe(true);
    expect(schedule.isWatched(60_000)).toBe(false);
  });
});
