import { expect, test } from '@jest/globals';
import { newestByPack } from './newest-scans.js';

const scan = (id: string, pack: string) => ({ id, pack: { id: pack } });
const NOTHING = { items: [], isWhole: true };

test('of each pack it is the newest scan that tells something, and few are asked', async () => {
  const asked: string[] = [];
  const scans = [scan('9', 'a'), scan('8', 'b'), scan('7', 'a'), ...'654321'.split('').map((id) => scan(id, 'c'))];
  const { found, isAll } = await newestByPack(scans, ({ id }) => {
    asked.push(id);
    return Promise.resolve('781'.includes(id) ? { items: [`told by ${id}`], isWhole: true } : NOTHING);
  });
  expect(found.map(({ scan: { id }, told: { items } }) => [id, ...items])).toEqual([
    ['7', 'told by 7'],
    ['8', 'told by 8'],
  ]);
  expect(asked.filter((id) => '654321'.includes(id))).toHaveLength(5);
  expect(isAll).toBe(false);
});

test('a scan that left something out may have asked it, and none before it counts as the newest', async () => {
  const scans = [scan('3', 'a'), scan('2', 'a'), scan('1', 'a')];
  const told = new Map([
    ['2', { items: [], isWhole: false }],
    ['1', { items: ['older'], isWhole: true }],
  ]);
  expect(await newestByPack(scans, ({ id }) => Promise.resolve(told.get(id)))).toEqual({
    found: [{ scan: scan('2', 'a'), told: { items: [], isWhole: false } }],
    isAll: true,
  });
});

test('where every scan was asked, and none has asked it, nothing was passed over', async () => {
  const scans = [5, 4, 3, 2, 1].map((id) => scan(String(id), 'a'));
  expect(await newestByPack(scans, () => Promise.resolve(NOTHING))).toEqual({ found: [], isAll: true });
});
