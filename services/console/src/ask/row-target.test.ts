import { expect, test } from '@jest/globals';
import { bodyOf, EMPTY_DRAFT } from '../act/draft.js';
import { pickRows } from '../rows/pick-rows.js';
import { QueryReader } from '../rows/query-reader.js';
import type { Line } from '../rows/protocol.js';
import { rowsTarget, rowTarget } from './row-target.js';

const COLUMNS = ['pid', 'start_time', 'name'];
const SHAPE = { table: 'processes', required: ['pid', 'start_time'], optional: ['path'] };
const shown = { columns: COLUMNS, query: undefined };

function readerOf(pids: readonly number[]): QueryReader {
  const reader = new QueryReader();
  reader.store.begin(COLUMNS);
  reader.view.show({ filter: '' });
  add(reader, pids);
  return reader;
}
function add(reader: QueryReader, pids: readonly number[]): void {
  for (const pid of pids)
    reader.store.add({ num: pid, agentId: `a${pid}`, host: `h${pid}` }, [[pid, 1_000 + pid, `p${pid}`]]);
  reader.view.takeAppended();
}
/** The line as the worker makes it for the page. */
function lineAt({ view, store }: QueryReader, place: number): Line {
  const row = view.rowAt(place) ?? -1;
  const name = store.ownerName(row) ?? { agentId: null, host: null };
  return { place, values: store.values(row), endpoint: { num: store.owner(row) ?? 0, ...name } };
}
const bodyFor = (target: ReturnType<typeof rowTarget>) => {
  if (target === undefined) throw new Error('no target');
  return bodyOf({ draft: { ...EMPTY_DRAFT, action: 'process.kill' }, params: {}, target, shape: SHAPE });
};

test('a command for a row stays for that row, whatever comes to its place of the view', () => {
  const reader = readerOf([1, 2, 3]);
  const target = rowTarget(lineAt(reader, 0), shown);
  const planned = bodyFor(target);
  reader.view.show({ filter: '', sort: { key: 0, descending: true } });
  add(reader, [9]);
  reader.view.takeAll();
  expect(lineAt(reader, 0).values[0]).toBe(9);
  expect(bodyFor(target)).toEqual(planned);
  expect(planned.target).toEqual({ rows: [{ agentId: 'a1', row: { pid: 1, start_time: 1_001 } }] });
});

test('a command for the rows of a view is for those that were shown when its panel was opened', () => {
  const reader = readerOf([1, 2]);
  const length = reader.view.length;
  // They come between what the page shows and the press.
  add(reader, [3]);
  const target = rowsTarget(pickRows(reader, length), shown);
  const planned = bodyFor(target);
  add(reader, [4]);
  reader.view.show({ filter: 'pid=4' });
  expect(bodyFor(target)).toEqual(planned);
  expect(planned.target.rows?.map(({ agentId }) => agentId)).toEqual(['a1', 'a2']);
});

test('rows of endpoints that are not known are left out and counted; a view of groups has no rows', () => {
  const reader = readerOf([1]);
  reader.store.add({ num: 8, agentId: null, host: null }, [[8, 1_008, 'p8']]);
  reader.view.takeAppended();
  expect(pickRows(reader, 2)).toMatchObject({ rows: [{ agentId: 'a1' }], omitted: 1 });
  reader.view.show({ filter: '', groupBy: 2 });
  expect(pickRows(reader, 2)).toEqual({ rows: [], omitted: 0 });
});
