import { expect, test } from '@jest/globals';
import { systemClock } from './clock.js';

test.each([2 ** 31, 2 ** 53 - 1, Infinity])('a timer of %p ms does not fire at once', async (delayMs) => {
  let fired = 0;
  const count = (): void => void (fired += 1);
  const timers = [systemClock.setTimeout(count, delayMs), systemClock.setInterval(count, delayMs)];
  await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 20));
  for (const timer of timers) systemClock.clear(timer);
  expect(fired).toBe(0);
});
