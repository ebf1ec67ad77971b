import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { encodeCbor, LIMITS, type SqlValue } from '@muster/protocol';
import { GroupBlockWriter, readGroupBlock } from '@muster/records';
import { GroupMerge } from './group-merge.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const row = (...values: SqlValue[]): Uint8Array => encodeCbor(values);
const block = (...groups: { row: Uint8Array; endpoints: number; copies?: number; sample?: number[] }[]): Uint8Array => {
  const writer = new GroupBlockWriter();
  for (const group of groups) writer.add(0, { copies: group.endpoints, sample: [], ...group });
  return writer.bytes();
};
const merge = (options: Partial<{ maxGroups: number; maxBytes: number }> = {}): GroupMerge =>
  new GroupMerge({ columns: 2, maxGroups: 100, maxBytes: 1_000_000, ...options });
const taken = (groups: GroupMerge, maxBytes = 1_000_000) => {
  const bytes = groups.takeChanged(maxBytes);
  return bytes === undefined ? [] : [...readGroupBlock(bytes)];
};

describe('group merge', () => {
  test('equal rows of two gateways become one group with the sum of endpoints and copies', () => {
    const groups = merge();
    groups.addBlock(block({ row: row('bash', 1), endpoints: 3, copies: 4, sample: [1, 2, 3] }));
    groups.addBlock(block({ row: row('bash', 1), endpoints: 2, sample: [7, 8] }, { row: row('zsh', 1), endpoints: 1 }));
    const [bash, zsh] = taken(groups);
    expect(bash).toMatchObject({ index: 0, endpoints: 5, copies: 6, sample: [1, 2, 3, 7, 8] });
    expect(Buffer.from(bash!.row)).toEqual(Buffer.from(row('bash', 1)));
    expect(zsh).toMatchObject({ index: 1, endpoints: 1 });
  });

  test('rows equal within one answer are one endpoint and several copies', () => {
    const groups = merge();
    groups.addAnswer(9, Buffer.concat([row('a', 1), row('a', 1), row('b', 1)]));
    expect(taken(groups)).toMatchObject([
      { endpoints: 1, copies: 2, sample: [9] },
      { endpoints: 1, copies: 1, sample: [9] },
    ]);
  });

  test('that never catches up does not grow', () => {
    const groups = merge();
    const rows = Array.from({ length: 50 }, (_, i) => row('name', i));
    for (const one of rows) groups.addAnswer(1, one);
    const turn = (times: number): void => {
      for (let n = 0; n < times; n += 1) {
        groups.takeChanged(1);
        groups.addAnswer(2, rows[n % rows.length] ?? row());
        if (!groups.hasChanges) throw new Error('it has caught up');
      }
    };
    turn(10_000);
    gc();
    const before = process.memoryUsage().heapUsed;
    turn(200_000);
    gc();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
    expect(taken(groups)).toHaveLength(50);
  });

  test('only what has changed is given again, under its old index', () => {
    const groups = merge();
    groups.addBlock(block({ row: row('a', 1), endpoints: 1 }, { row: row('b', 1), endpoints: 1 }));
    expect(taken(groups)).toHaveLength(2);
    expect(taken(groups)).toHaveLength(0);
    groups.addBlock(block({ row: row('b', 1), endpoints: 1 }));
    expect(taken(groups)).toMatchObject([{ index: 1, endpoints: 2 }]);
  });

  test('blocks stay within their size and together hold every group once', () => {
    const groups = merge({ maxGroups: 5_000 });
    for (let i = 0; i < 2_000; i += 1) groups.addAnswer(i + 1, row(`package-${i}`, i));
    const seen: number[] = [];
    for (let bytes = groups.takeChanged(4_096); bytes !== undefined; bytes = groups.takeChanged(4_096)) {
      expect(bytes.length).toBeLessThan(4_300);
      seen.push(...[...readGroupBlock(bytes)].map((group) => group.index));
    }
    expect(seen).toEqual(Array.from({ length: 2_000 }, (_, i) => i));
    expect(groups.changedBytes).toBe(0);
  });

  test('the sample stays bounded', () => {
    const groups = merge();
    for (let num = 1; num <= 50; num += 1) groups.addAnswer(num, row('a', 1));
    expect(taken(groups)[0]).toMatchObject({
      endpoints: 50,
      sample: Array.from({ length: LIMITS.groupSample }, (_, i) => i + 1),
    });
  });

  test.each([{ maxGroups: 2 }, { maxBytes: 550 }])(
    'beyond %p new rows are dropped, known ones still count, and `truncated` says so',
    (limit) => {
      const groups = merge(limit);
      for (const name of ['a', 'b', 'c', 'a']) groups.addAnswer(1, row(name, 1));
      expect(groups.size).toBe(2);
      expect(taken(groups)[0]).toMatchObject({ copies: 2 });
      expect(groups.truncated).toMatch(/only the first 2 distinct rows/);
      expect(merge().truncated).toBeUndefined();
    },
  );

  test('bytes of any value survive as key and row', () => {
    const groups = merge();
    const bytes = row(
      Uint8Array.from({ length: 256 }, (_, i) => i),
      '💥\u0000',
    );
    groups.addAnswer(1, bytes);
    expect(Buffer.from(taken(groups)[0]!.row)).toEqual(Buffer.from(bytes));
  });
});
