import { expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import type { CommandRecord } from './command-journal.js';
import { REQUEST_KEY_MS, RequestKeys } from './request-keys.js';

const NOW = 1_700_000_000_000;
const [ONE, TWO, THREE] = ['c1', 'c2', 'c3'] as [CommandId, CommandId, CommandId];
const record = (id: CommandId, submittedAtMs: number, requestKey?: string): CommandRecord =>
  ({ id, submittedAtMs, ...(requestKey === undefined ? {} : { requestKey }) }) as CommandRecord;

test('a key refers to its command for a day', () => {
  const keys = new RequestKeys();
  expect(keys.get('key', NOW)).toBeUndefined();
  expect(keys.take(record(ONE, NOW, 'key'))).toBe(true);
  expect(keys.get('key', NOW + REQUEST_KEY_MS)).toBe(ONE);
  expect(keys.get('key', NOW + REQUEST_KEY_MS + 1)).toBeUndefined();
  expect(REQUEST_KEY_MS).toBe(24 * 60 * 60 * 1_000);
});

test('a second command with the key is void within that day, and names the first', () => {
  const keys = new RequestKeys();
  keys.take(record(ONE, NOW, 'key'));
  expect(keys.take(record(TWO, NOW + REQUEST_KEY_MS, 'key'))).toBe(false);
  expect([keys.firstOf(TWO), keys.firstOf(ONE), keys.get('key', NOW)]).toEqual([ONE, undefined, ONE]);
  expect(keys.take(record(THREE, NOW + REQUEST_KEY_MS + 1, 'key'))).toBe(true);
  expect([keys.firstOf(THREE), keys.get('key', NOW + REQUEST_KEY_MS + 1)]).toEqual([undefined, THREE]);
});

test('a command that is read again is not void because of itself', () => {
  const keys = new RequestKeys();
  expect([keys.take(record(ONE, NOW, 'key')), keys.take(record(ONE, NOW, 'key'))]).toEqual([true, true]);
  expect(keys.firstOf(ONE)).toBeUndefined();
});

test('commands without a key, or with other keys, have nothing to do with each other', () => {
  const keys = new RequestKeys();
  expect([keys.take(record(ONE, NOW)), keys.take(record(TWO, NOW))]).toEqual([true, true]);
  expect([keys.take(record(ONE, NOW, 'a')), keys.take(record(TWO, NOW, 'b'))]).toEqual([true, true]);
  expect([keys.get('a', NOW), keys.get('b', NOW)]).toEqual([ONE, TWO]);
});

test('nothing is left after the journal begins anew', () => {
  const keys = new RequestKeys();
  keys.take(record(ONE, NOW, 'key'));
  keys.take(record(TWO, NOW, 'key'));
  keys.clear();
  expect([keys.get('key', NOW), keys.firstOf(TWO)]).toEqual([undefined, undefined]);
  expect(keys.take(record(THREE, NOW, 'key'))).toBe(true);
});

test('keys and void commands are forgotten two days later, in the order of the journal', () => {
  const keys = new RequestKeys();
  keys.take(record(ONE, NOW, 'old'));
  keys.take(record(TWO, NOW + 1, 'old'));
  keys.take(record(THREE, NOW + 2, 'newer'));
  const at = (sinceMs: number): void => void keys.take(record('c9' as CommandId, NOW + sinceMs, `key ${sinceMs}`));
  at(2 * REQUEST_KEY_MS);
  // Time that was set back by a clock shows what is still there.
  expect([keys.get('old', NOW), keys.firstOf(TWO)]).toEqual([ONE, ONE]);
  at(2 * REQUEST_KEY_MS + 1);
  expect([keys.get('old', NOW), keys.firstOf(TWO), keys.get('newer', NOW)]).toEqual([undefined, ONE, THREE]);
  at(2 * REQUEST_KEY_MS + 2);
  expect([keys.firstOf(TWO), keys.get('newer', NOW)]).toEqual([undefined, THREE]);
});

test('a key that is used again later is as young as its newest command', () => {
  const keys = new RequestKeys();
  keys.take(record(ONE, NOW, 'again'));
  keys.take(record(TWO, NOW, 'other'));
  keys.take(record(THREE, NOW + REQUEST_KEY_MS + 1, 'again'));
  keys.take(record('c9' as CommandId, NOW + 2 * REQUEST_KEY_MS + 1, 'last'));
  expect([keys.get('again', NOW), keys.get('other', NOW)]).toEqual([THREE, undefined]);
});
