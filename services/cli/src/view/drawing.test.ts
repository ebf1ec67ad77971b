import { expect, test } from '@jest/globals';
import { styleFor } from '../terminal/table.js';
import { bar, bytesText, chart, countText, levelColour, percentText } from './drawing.js';

const plain = styleFor(false, {});
const coloured = styleFor(true, {});
const parts = [
  { share: 0.5, colour: 'green' },
  { share: 0.25, colour: 'red' },
] as const;

test('a bar is as wide as it is to be, and its parts differ with and without colours', () => {
  expect(bar(parts, '75%', 22, plain)).toBe('[||||||||||#####  75%]');
  expect(bar(parts, '75%', 22, coloured)).toBe('[\u001b[32m||||||||||\u001b[0m\u001b[31m|||||\u001b[0m  75%]');
  expect(bar(parts, '75%', 9, plain)).toBe('[||||75%]');
  expect(bar([{ share: undefined, colour: 'green' }], '-', 6, plain)).toBe('[   -]');
  expect(bar([{ share: 9, colour: 'green' }, ...parts], '', 6, plain)).toBe('[||||]');
  for (const width of [0, 1, 2, 3]) expect(bar(parts, '75%', width, plain).length).toBe(Math.max(width, 2));
});

test('a chart tells what is known from what is not, and a gap from both', () => {
  const options = { height: 1, style: plain, colour: levelColour };
  expect(chart([undefined, 0, 0.5, 1, 'gap', 2, -1], options)).toEqual([' ▁▅█·█▁']);
  expect(chart([undefined, 0, 0.5, 1, 'gap'], { ...options, height: 2 })).toEqual(['  ▁█ ', ' ▁██·']);
});

test('amounts have few characters, whatever they are', () => {
  const amounts = [0, 1, 999, 1_023, 1_024, 10_188, 10_240, 1_048_063, 1_048_575, 2 ** 40 * 1.5, 2 ** 63, 1e30];
  expect(amounts.map(bytesText)).toEqual('0B 1B 999B 1023B 1.0K 9.9K 10K 1023K 1.0M 1.5T 8.0E >E'.split(' '));
  expect([0, 999, 999.5, 12_345, 9_999_999, 5e9, 1e300].map(countText)).toEqual(
    '0 999 1.0k 12k 10M 5.0G >T'.split(' '),
  );
  expect([0, 0.0004, 0.034, 0.0994, 0.0995, 0.5, 1].map(percentText)).toEqual(
    '0% 0.0% 3.4% 9.9% 10% 50% 100%'.split(' '),
  );
  expect([bytesText(undefined), countText(undefined), percentText(undefined)]).toEqual(['-', '-', '-']);
});
