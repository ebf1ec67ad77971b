import { expect, test } from '@jest/globals';
import { parseBool, parseBytes, parseDurationMs } from './quantity.js';

test.each([
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['2d', 172_800_000],
  ['1500', 1_500],
  ['0', 0],
])('duration %s is %d ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

test.each(['', 's', '-1s', '1 s', '1w', '1e3', 'Infinity', '1s2m', '0x10'])('%j is no duration', (text) =>
  expect(parseDurationMs(text)).toBeUndefined(),
);

test.each([
  ['512', 512],
  ['64KiB', 65_536],
  ['4mib', 4_194_304],
  ['1 GiB', 1_073_741_824],
  ['2MB', 2_000_000],
  ['1.5kb', 1_500],
])('size %s is %d bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

test.each(['', 'MiB', '-1', '4TiB', '1,5MB'])('%j is no size', (text) => expect(parseBytes(text)).toBeUndefined());

test('booleans are the usual words in any case, and nothing else', () => {
  expect(['true', 'YES', 'on', '1'].map(parseBool)).toEqual([true, true, true, true]);
  expect(['false', 'No', 'OFF', '0'].map(parseBool)).toEqual([false, false, false, false]);
  expect(['', '2', 'ja'].map(parseBool)).toEqual([undefined, undefined, undefined]);
});
