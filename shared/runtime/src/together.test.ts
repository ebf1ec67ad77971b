import { expect, test } from '@jest/globals';
import { together } from './together.js';

const signal = new AbortController().signal;

test('components start at the same time and stop in reverse order', async () => {
  const done: string[] = [];
  let release = (): void => undefined;
  const both = together([
    { start: () => new Promise<void>((resolve) => (release = resolve)), stop: () => void done.push('stop 1') },
    {
      start: () => {
        done.push('start 2');
        release();
      },
      stop: () => void done.push('stop 2'),
    },
    { stop: () => void done.push('stop 3') },
  ]);
  // The first one waits for the second: one after the other, this would not end.
  await both.start?.();
  await both.stop?.(signal);
  expect(done).toEqual(['start 2', 'stop 3', 'stop 2', 'stop 1']);
});

test('when one does not start, the others are stopped, also one that starts later', async () => {
  const done: string[] = [];
  const all = together([
    { start: () => Promise.reject(new Error('no')), stop: () => void done.push('stop 1') },
    { start: () => new Promise<void>((resolve) => setImmediate(resolve)), stop: () => void done.push('stop 2') },
  ]);
  await expect(all.start?.()).rejects.toThrow('no');
  expect(done).toEqual(['stop 2']);
});
