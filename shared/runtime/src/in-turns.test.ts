import { expect, test } from '@jest/globals';
import { filterInTurns, visitInTurns } from './in-turns.js';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('visits each item once and in order, and lets other work run in between', async () => {
  const visited: number[] = [];
  const seen: number[] = [];
  const look = (): void => {
    seen.push(visited.length);
    if (visited.length < 100_000) setImmediate(look);
  };
  setImmediate(look);
  await visitInTurns(numbers(100_000), (item) => visited.push(item));
  expect(visited).toEqual(numbers(100_000));
  expect(seen.length).toBeGreaterThan(40);
  expect(Math.max(...seen.map((count, i) => count - (seen[i - 1] ?? 0)))).toBeLessThanOrEqual(2_000);
});

test('tells of what matches, and throws what a visit throws', async () => {
  expect(await filterInTurns(numbers(5_000), (item) => item % 1_000 === 0)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
  await expect(
    visitInTurns(numbers(5_000), (item) => {
      if (item === 4_000) throw new Error('no');
    }),
  ).rejects.toThrow('no');
});
