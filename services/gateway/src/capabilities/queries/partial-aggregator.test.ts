import { describe, expect, it } from '@jest/globals';
import { decodeRow, decodeRows, encodeCbor, LIMITS } from '@muster/protocol';
import { decodeNumberSet, readAnswerBlock, readGroupBlock } from '@muster/records';
import { PartialAggregator, type UpdateContent } from './partial-aggregator.js';

const row = (...values: (string | number | null)[]): Uint8Array => encodeCbor(values);
const answer = (...rows: Uint8Array[]): Uint8Array => Buffer.concat(rows);

function groupsOf(contents: readonly UpdateContent[]) {
  return contents.flatMap(({ groups }) =>
    [...readGroupBlock(groups)].map(({ row: bytes, endpoints, copies, sample }) => ({
      values: decodeRow(bytes),
      endpoints,
      copies,
      sample,
    })),
  );
}

describe('PartialAggregator', () => {
  it('combines equal rows of different endpoints, and counts endpoints and copies apart', () => {
    const aggregator = new PartialAggregator({ form: 'group', columns: 2, maxRows: 10_000, updateBytes: 1_000 });
    expect(aggregator.answer(1, answer(row('bash', '5.2'), row('curl', '8')), false)).toBe('taken');
    expect(aggregator.answer(2, answer(row('bash', '5.2'), row('curl', '8')), false)).toBe('taken');
    expect(aggregator.answer(9, answer(row('curl', '8'), row('bash', '5.2'), row('bash', '5.2')), false)).toBe('taken');
    const contents = aggregator.drain();
    expect(contents).toHaveLength(1);
    expect(groupsOf(contents)).toEqual([
      { values: ['bash', '5.2'], endpoints: 3, copies: 4, sample: [1, 2, 9] },
      { values: ['curl', '8'], endpoints: 3, copies: 3, sample: [1, 2, 9] },
    ]);
    expect(decodeNumberSet(contents[0]?.answered ?? new Uint8Array())).toEqual([1, 2, 9]);
    expect(contents[0]?.more).toBe(false);
  });

  it('names at most ten endpoints per group', () => {
    const aggregator = new PartialAggregator({ form: 'group', columns: 1, maxRows: 10_000, updateBytes: 1_000 });
    for (let num = 1; num <= 50; num += 1) aggregator.answer(num, row('same'), false);
    const [group] = groupsOf(aggregator.drain());
    expect(group).toMatchObject({ endpoints: 50, sample: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
  });

  it('keeps answers of endpoints that joined late apart from the groups', () => {
    const aggregator = new PartialAggregator({ form: 'group', columns: 1, maxRows: 10_000, updateBytes: 1_000 });
    aggregator.answer(1, row('x'), false);
    aggregator.answer(2, row('x'), true);
    const contents = aggregator.drain();
    expect(groupsOf(contents)).toMatchObject([{ endpoints: 1 }]);
    const alone = contents.flatMap(({ answers }) => [...readAnswerBlock(answers)]);
    expect(alone.map(({ num, rows }) => [num, decodeRows(rows, 1)])).toEqual([[2, [['x']]]]);
    expect(decodeNumberSet(contents.at(-1)?.answered ?? new Uint8Array())).toEqual([1]);
  });

  it('distinguishes answers without rows from those with rows', () => {
    const aggregator = new PartialAggregator({ form: 'raw', columns: 1, maxRows: 10_000, updateBytes: 1_000 });
    aggregator.answer(4, new Uint8Array(), false);
    aggregator.answer(5, row(null), false);
    const [content] = aggregator.drain();
    expect(decodeNumberSet(content?.empty ?? new Uint8Array())).toEqual([4]);
    expect([...readAnswerBlock(content?.answers ?? new Uint8Array())].map(({ num }) => num)).toEqual([5]);
  });

  it.each([
    ['another number of columns', row('a', 'b')],
    ['a nested value', encodeCbor([['a']])],
    ['a boolean', encodeCbor([true])],
    ['a row that is cut off', row('abc').slice(0, 3)],
    ['no array at all', encodeCbor('a')],
    ['an indefinite array', Uint8Array.of(0x9f, 0x01, 0xff)],
  ])('refuses %s in either form', (_what, bytes) => {
    for (const form of ['raw', 'group'] as const) {
      const aggregator = new PartialAggregator({ form, columns: 1, maxRows: 10_000, updateBytes: 1_000 });
      expect(aggregator.answer(1, bytes, false)).toBe('malformed');
      expect(aggregator.size).toBe(0);
    }
  });

  it('cuts what is larger than an update into parts that belong together, single answers between rows', () => {
    const aggregator = new PartialAggregator({ form: 'raw', columns: 1, maxRows: 10_000, updateBytes: 200 });
    const rows = Array.from({ length: 40 }, (_, i) => row(`value ${i} ${'x'.repeat(20)}`));
    aggregator.answer(1, row('small'), false);
    aggregator.answer(2, answer(...rows), false);
    const contents = aggregator.drain();
    expect(contents.length).toBeGreaterThan(4);
    expect(contents.map(({ more }) => more)).toEqual([...contents.slice(1).map(() => true), false]);
    for (const { answers } of contents) expect(answers.length).toBeLessThan(260);
    const entries = contents.flatMap(({ answers }) => [...readAnswerBlock(answers)]);
    expect(entries.filter(({ num }) => num === 2).flatMap((entry) => decodeRows(entry.rows, 1))).toHaveLength(40);
  });

  it('spreads many failures over parts and loses none', () => {
    for (const count of [1, 1_999, 2_000, 2_001, 4_000, 4_001]) {
      const aggregator = new PartialAggregator({ form: 'group', columns: 1, maxRows: 10_000, updateBytes: 1_000 });
      for (let num = 1; num <= count; num += 1) aggregator.fail([num, 'error', 'sql_error', 'no such table']);
      const contents = aggregator.drain();
      expect(contents.flatMap(({ failures }) => failures.map(([num]) => num))).toEqual(
        Array.from({ length: count }, (_, i) => i + 1),
      );
      expect(Math.max(...contents.map(({ failures }) => failures.length))).toBeLessThanOrEqual(2_000);
    }
  });

  it('refuses a row that would fit into no update, and keeps the largest that does', () => {
    for (const form of ['raw', 'group'] as const) {
      const aggregator = new PartialAggregator({ form, columns: 1, maxRows: 10_000, updateBytes: LIMITS.rowBytes });
      expect(aggregator.answer(1, row('x'.repeat(LIMITS.rowBytes - 5)), false)).toBe('over_row_bytes');
      expect(aggregator.size).toBe(0);
      expect(aggregator.answer(2, row('x'.repeat(LIMITS.rowBytes - 6)), false)).toBe('taken');
    }
  });

  it('refuses an answer with more rows than the budget allows, equal ones included, and takes one with as many', () => {
    for (const [form, attributed] of [
      ['raw', false],
      ['group', false],
      ['group', true],
    ] as const) {
      const aggregator = new PartialAggregator({ form, columns: 1, maxRows: 3, updateBytes: 1_000 });
      const rows = (count: number): Uint8Array => answer(...Array.from({ length: count }, () => row('same')));
      expect(aggregator.answer(1, rows(4), attributed)).toBe('over_rows');
      expect([aggregator.size, aggregator.byteLength]).toEqual([0, 0]);
      expect(aggregator.answer(2, rows(3), attributed)).toBe('taken');
    }
  });

  it('never makes an update that the broker would not take, however long the messages', () => {
    const aggregator = new PartialAggregator({
      form: 'raw',
      columns: 1,
      maxRows: 10_000,
      updateBytes: LIMITS.rowBytes,
    });
    const message = '\u{20ac}'.repeat(LIMITS.errorMessageBytes);
    for (let num = 1; num <= 2_000; num += 1) aggregator.fail([num, 'error', 'c'.repeat(64), message]);
    aggregator.answer(3_000, row('x'.repeat(LIMITS.rowBytes - 6)), false);
    const contents = aggregator.drain();
    expect(contents.flatMap(({ failures }) => failures)).toHaveLength(2_000);
    for (const content of contents) expect(encodeCbor(content).length).toBeLessThan(900_000);
  });

  it('begins empty again after a drain', () => {
    const aggregator = new PartialAggregator({ form: 'group', columns: 1, maxRows: 10_000, updateBytes: 1_000 });
    aggregator.answer(1, row('x'), false);
    aggregator.fail([2, 'error', 'e', 'm']);
    aggregator.drain();
    const [content] = aggregator.drain();
    expect([content?.failures, content?.groups.length, content?.answered.length, aggregator.byteLength]).toEqual([
      [],
      0,
      0,
      0,
    ]);
  });
});
