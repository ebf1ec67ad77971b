import { expect, test } from '@jest/globals';
import { sleep, systemClock } from '../clock.js';
import { FakeClock } from './fake-clock.js';

test('timers fire in the order of their due times, each at its own moment', () => {
  const clock = new FakeClock(1_000);
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name}@${clock.now()}`);
  clock.setTimeout(note('late'), 50);
  clock.setTimeout(note('soon'), 10);
  clock.setInterval(note('tick'), 20);
  clock.setTimeout(() => clock.setTimeout(note('nested'), 5), 10);
  clock.advance(60);
  expect(fired).toEqual(['soon@1010', 'nested@1015', 'tick@1020', 'tick@1040', 'late@1050', 'tick@1060']);
  expect(clock.monotonic()).toBe(60);
});

test('timers that are due at the same moment fire in the order they were set', () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  for (const n of [1, 2, 3]) clock.setTimeout(() => fired.push(n), 10);
  clock.advance(10);
  expect(fired).toEqual([1, 2, 3]);
});

test('a cleared timer does not fire, also one that clears itself', () => {
  const clock = new FakeClock();
  let count = 0;
  const interval = clock.setInterval(() => {
    count += 1;
    if (count === 2) clock.clear(interval);
  }, 10);
  clock.clear(clock.setTimeout(() => (count += 100), 5));
  clock.clear(undefined);
  clock.advance(1_000);
  expect([count, clock.pendingTimers]).toEqual([2, 0]);
});

test('advanceAsync lets promises settle between timers', async () => {
  const clock = new FakeClock(0);
  const seen: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 3; i += 1) {
      await sleep(clock, 10);
      seen.push(clock.now());
    }
  })();
  await clock.advanceAsync(30);
  await loop;
  expect(seen).toEqual([10, 20, 30]);
});

test.each([
  ['fake', () => new FakeClock()],
  ['system', () => systemClock],
])('a sleep on the %s clock ends when its signal is aborted and leaves no timer', async (_name, make) => {
  const clock = make();
  const abort = new AbortController();
  const sleeping = sleep(clock, 60_000, abort.signal);
  abort.abort();
  expect(await sleeping).toBe('aborted');
  expect(await sleep(clock, 60_000, abort.signal)).toBe('aborted');
  if (clock instanceof FakeClock) expect(clock.pendingTimers).toBe(0);
});

test('the system clock fires and clears real timers', async () => {
  expect(await sleep(systemClock, 1)).toBe('elapsed');
  let ticks = 0;
  await new Promise<void>((resolve) => {
    const timer = systemClock.setInterval(() => {
      ticks += 1;
      systemClock.clear(timer);
      resolve();
    }, 1);
  });
  expect(ticks).toBe(1);
  expect(systemClock.monotonic()).toBeGreaterThan(0);
});
