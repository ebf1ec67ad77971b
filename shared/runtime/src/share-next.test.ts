import { expect, test } from '@jest/globals';
import { shareNext } from './share-next.js';

test('callers share the run that begins after they asked, one at a time, also after one that failed', async () => {
  const ends: { resolve: (value: number) => void; reject: (fault: Error) => void }[] = [];
  const ask = shareNext(
    () =>
      new Promise<number>((resolve, reject) => {
        ends.push({ resolve, reject });
      }),
  );
  const first = ask();
  const second = [ask(), ask()];
  expect(ends).toHaveLength(1);
  ends[0]?.resolve(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(ends).toHaveLength(2);
  const third = ask();
  ends[1]?.reject(new Error('away'));
  for (const one of second) await expect(one).rejects.toThrow('away');
  ends[2]?.resolve(3);
  expect(await third).toBe(3);
  const fourth = ask();
  ends[3]?.resolve(4);
  expect([await fourth, ends.length]).toEqual([4, 4]);
});
