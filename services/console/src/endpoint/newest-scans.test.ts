import { expect, test } from '@jest/globals';
import { newestByPack } from './newest-scans.js';

const scan = (id: string, pack: string) => ({ id, pack: { id: pack } });

test('of each pack it is the newest scan that tells something, and few are asked', async () => {
  const asked: string[] = [];
  const scans = [scan('9', 'a'), scan('8', 'b'), scan('7', 'a'), ...'654321'.split('').map((id) => scan(id, 'c'))];
  const found = await newestByPack(scans, ({ id }) => {
    asked.push(id);
    return Promise.resolve(id === '7' || id === '8' || id === '1' ? `told by ${id}` : undefined);
  });
  expect(found.map(({ scan: { id }, told }) => [id, told])).toEqual([
    ['7', 'told by 7'],
    ['8', 'told by 8'],
  ]);
  expect(asked.filter((id) => '654321'.includes(id))).toHaveLength(5);
});
