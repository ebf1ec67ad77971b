import { describe, expect, test } from '@jest/globals';
import { exactFilter, parseFilter, passes } from './row-filter.js';
import { RowStore, type Value } from './row-store.js';
import { RowView } from './row-view.js';

const COLUMNS = ['name', 'count(*)', 'a "b" `c`', 'name', '', 'host'];
const VALUES: readonly Value[] = [
  ...[null, '', 'NULL', 5, '5', 'ssh', 'SSH', 'say "x"', '""', '-x', 'a b', "X'QQ=='", "it's `so`", 1.5],
  ...[{ $blob: 'QQ==' }, { $blob: 'qq==' }, { $blob: '' }, 'name==5', 'line\nbreak', '1e3', 1000],
];

/** Each row has another value, the same in all columns. */
const store = new RowStore();
store.begin(COLUMNS);
for (const [num, value] of VALUES.entries())
  store.add({ num, agentId: `a${num}`, host: `h${num % 3}` }, [COLUMNS.map(() => value)]);

describe('opening a group', () => {
  test.each(COLUMNS.map((name, key) => [name, key] as const))('of column "%s" leaves exactly its rows', (_, key) => {
    const view = new RowView(store);
    view.show({ filter: '', groupBy: key });
    const groups = [...(view.groups ?? [])];
    expect(groups).toHaveLength(VALUES.length);
    for (const group of groups) {
      view.show({ filter: exactFilter(key, group.value, COLUMNS) });
      expect([group.value, view.length]).toEqual([group.value, group.rows]);
      expect(store.value(view.rowAt(0) ?? -1, key)).toEqual(group.value);
    }
  });

  test('by host leaves the rows of that host, also where the query has a column of that name', () => {
    const view = new RowView(store);
    view.show({ filter: '', groupBy: '@host' });
    for (const group of [...(view.groups ?? [])]) {
      view.show({ filter: exactFilter('@host', group.value, COLUMNS) });
      expect(view.length).toBe(group.rows);
    }
  });

  test('within a filter leaves what passes both', () => {
    const view = new RowView(store);
    view.show({ filter: `@host=h1 ${exactFilter(0, 'ssh', COLUMNS)}` });
    expect(view.length).toBe(VALUES.indexOf('ssh') % 3 === 1 ? 1 : 0);
  });
});

test('names that are typed as before mean what they meant', () => {
  const rowsOf = (filter: string): number =>
    VALUES.filter((_, row) => passes(store, row, parseFilter(filter, COLUMNS))).length;
  expect(rowsOf('name=ssh')).toBe(2);
  expect(rowsOf('NAME=ssh')).toBe(2);
  expect(rowsOf('-name=ssh')).toBe(VALUES.length - 2);
  expect(rowsOf('name>100')).toBe(2);
  expect(rowsOf('"a b"')).toBe(1);
});
