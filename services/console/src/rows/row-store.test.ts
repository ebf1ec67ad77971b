import { describe, expect, test } from '@jest/globals';
import { csvLine } from './csv.js';
import { RowStore, type Value } from './row-store.js';
import { RowView } from './row-view.js';

const endpoint = (num: number) => ({ num, agentId: `agent${num}`, host: `host-${num}` });

function storeOf(rows: readonly (readonly [number, readonly Value[]])[], columns = ['name', 'port']): RowStore {
  const store = new RowStore();
  store.begin(columns);
  for (const [num, row] of rows) store.add(endpoint(num), [row]);
  return store;
}
const shown = (view: RowView, store: RowStore): unknown[] =>
  Array.from({ length: view.length }, (_, place) => store.value(view.rowAt(place) ?? -1, 0));

const ROWS: [number, Value[]][] = [
  [1, ['ssh', 22]],
  [2, ['http', 80]],
  [1, ['http', 8080]],
  [3, [null, 443]],
  [3, ['ssh', 2222]],
];

describe('a view of rows', () => {
  test('has rows in the order in which they came, and appends later ones without moving any', () => {
    const store = storeOf(ROWS);
    const view = new RowView(store);
    view.show({ filter: '' });
    expect(shown(view, store)).toEqual(['ssh', 'http', 'http', null, 'ssh']);
    store.add(endpoint(4), [['dns', 53]]);
    view.takeAppended();
    expect(shown(view, store)).toEqual(['ssh', 'http', 'http', null, 'ssh', 'dns']);
    expect(view.pending).toBe(0);
  });

  test('filters over all rows by words, parts, values, comparisons and their opposites', () => {
    const store = storeOf(ROWS);
    const view = new RowView(store);
    const ports = (filter: string): unknown[] => {
      view.show({ filter });
      return Array.from({ length: view.length }, (_, place) => store.value(view.rowAt(place) ?? -1, 1));
    };
    expect(ports('ssh')).toEqual([22, 2222]);
    expect(ports('name:ht port>80')).toEqual([8080]);
    expect(ports('name=""')).toEqual([443]);
    expect(ports('-name:s -host-3')).toEqual([80, 8080]);
    expect(ports('host:host-1')).toEqual([22, 8080]);
    expect(ports('nobody:x')).toEqual([]);
  });

  test('a filter goes on with rows that come later', () => {
    const store = storeOf(ROWS);
    const view = new RowView(store);
    view.show({ filter: 'name:ssh' });
    store.add(endpoint(9), [
      ['ssh', 1],
      ['smtp', 25],
    ]);
    view.takeAppended();
    expect(view.length).toBe(3);
  });

  test('a sorted view stands still while rows come, and takes them in when it is told to', () => {
    const store = storeOf(ROWS);
    const view = new RowView(store);
    view.show({ filter: '', sort: { key: 1, descending: true } });
    const before = shown(view, store);
    store.add(endpoint(4), [['top', 65_000]]);
    view.takeAppended();
    expect(shown(view, store)).toEqual(before);
    expect(view.pending).toBe(1);
    view.takeAll();
    expect(shown(view, store)[0]).toBe('top');
    expect(view.pending).toBe(0);
  });

  test('sorts NULL first, then numbers, then text; equal ones stay in order', () => {
    const store = storeOf([
      [1, ['b', 1]],
      [1, [10, 2]],
      [1, [null, 3]],
      [1, [9, 4]],
      [1, ['a', 5]],
      [2, ['a', 6]],
    ]);
    const view = new RowView(store);
    view.show({ filter: '', sort: { key: 0, descending: false } });
    expect(shown(view, store)).toEqual([null, 9, 10, 'a', 'a', 'b']);
    expect(store.value(view.rowAt(3)!, 1)).toBe(5);
  });

  test('groups by a column with rows and distinct endpoints, NULL apart from the empty text', () => {
    const store = storeOf([...ROWS, [5, ['', 1]]]);
    const view = new RowView(store);
    view.show({ filter: '', groupBy: 0 });
    expect(view.groups).toEqual([
      { value: 'ssh', rows: 2, endpoints: 2 },
      { value: 'http', rows: 2, endpoints: 2 },
      { value: null, rows: 1, endpoints: 1 },
      { value: '', rows: 1, endpoints: 1 },
    ]);
  });
});

describe('bounds', () => {
  test('rows beyond the bound are counted, not kept', () => {
    const store = new RowStore(3);
    store.begin(['a']);
    store.add(endpoint(1), [[1], [2], [3], [4], [5]]);
    expect([store.length, store.dropped, store.full]).toEqual([3, 2, true]);
  });

  test('text is bounded too, and equal text counts once', () => {
    const store = new RowStore(1_000, 100);
    store.begin(['a']);
    for (let row = 0; row < 50; row += 1) store.add(endpoint(1), [['same text of 20 chars']]);
    expect([store.length, store.dropped]).toEqual([50, 0]);
    store.add(endpoint(1), [['x'.repeat(99)], ['y']]);
    expect([store.length, store.dropped]).toEqual([51, 1]);
  });
});

test('groups replace their counts in place, by index', () => {
  const store = new RowStore();
  store.begin(['name']);
  const group = (index: number, endpoints: number, name: string) => ({
    index,
    endpoints,
    copies: endpoints,
    sample: [],
    values: [name],
  });
  expect(store.addGroups([group(0, 1, 'a'), group(7, 2, 'b')])).toBe(false);
  expect(store.addGroups([group(7, 5, 'b'), group(8, 1, 'c')])).toBe(true);
  expect([store.length, store.group(1)?.endpoints, store.value(1, 0)]).toEqual([3, 5, 'b']);
});

test('a query that is told again from its start has its rows once', () => {
  const store = storeOf(ROWS);
  store.begin(['name', 'port']);
  store.add(endpoint(1), [['ssh', 22]]);
  expect([store.length, store.endpoints.size]).toEqual([1, 1]);
});

test('CSV: quoting, NULL apart from the empty text, and nothing that a spreadsheet runs', () => {
  expect(csvLine(['a,b', 'say "x"', null, '', 5, -5])).toBe('"a,b","say ""x""",,"",5,-5\r\n');
  expect(csvLine(['=1+1', '+x', '-x', '@SUM(A1)', '\t=1', '-12'])).toBe(
    `"'=1+1","'+x","'-x","'@SUM(A1)","'\t=1",-12\r\n`,
  );
});
