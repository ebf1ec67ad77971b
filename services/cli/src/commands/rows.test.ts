import { expect, test } from '@jest/globals';
import type { CliError } from '../terminal/cli-error.js';
import { ACTIONS, AGENT_ID } from '../testing/fake-api.js';
import { readRows } from './rows.js';

const kill = ACTIONS.find(({ name }) => name === 'process.kill')!;
const line = (row: object, more: object = {}) => ({ agentId: AGENT_ID, host: 'h1', row, ...more });
const lines = (...values: unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const faultsOf = (text: string): readonly string[] => {
  try {
    readRows(kill, text);
  } catch (error) {
    return (error as CliError).excerpt;
  }
  throw new Error('it was read');
};

const first = line({ pid: 17, start_time: 1_700_000_000, path: '/x/abc.exe', cmdline: 'secret', name: 'abc.exe' });
const bound = { pid: 17, start_time: 1_700_000_000, path: '/x/abc.exe' };

test('rows of REST are read: lines, a page, and the answer to a query that was waited for', () => {
  const row = { num: 7, ...first };
  const read = { rows: [{ agentId: AGENT_ID, host: 'h1', row: bound }], duplicates: 0 };
  expect(readRows(kill, lines(row))).toEqual(read);
  expect(readRows(kill, lines({ state: 'complete', columns: ['pid'], items: [row] }))).toEqual(read);
  expect(readRows(kill, lines({ id: 'q', state: 'complete', rows: 1, results: { rows: [row] } }))).toEqual(read);
  expect(faultsOf(lines({ num: 7, agentId: AGENT_ID, values: [1] }))[0]).toContain('ask REST for rows=objects');
});

test('only the columns that the action compares are kept, and equal rows count once', () => {
  const other = line({ pid: 18, start_time: '1700000000' });
  expect(readRows(kill, lines(first, other, first))).toEqual({
    rows: [
      { agentId: AGENT_ID, host: 'h1', row: bound },
      { agentId: AGENT_ID, host: 'h1', row: { pid: 18, start_time: 1_700_000_000 } },
    ],
    duplicates: 1,
  });
});

test('lines, an array and the document of -o json are equivalent', () => {
  const rows = [{ agentId: AGENT_ID, host: 'h1', row: bound }];
  const document = `{"rows":[\n${JSON.stringify(first)}\n],\n"failures":[],\n"query":{}}\n`;
  for (const text of [lines(first), `\ufeff\r\n${lines(first)}\r\n`, JSON.stringify([first], null, 2), document])
    expect(readRows(kill, text)).toEqual({ rows, duplicates: 0 });
  for (const text of ['', '\n\n', '[]', '{"rows":[],\n"query":{}}'])
    expect(readRows(kill, text)).toEqual({ rows: [], duplicates: 0 });
});

test('every line that cannot be used is named, with what is wrong with it', () => {
  const text = `${lines(first, { endpoints: 3, row: bound }, { row: bound }, line({ pid: 17 }))}not json\n${lines(
    line({ pid: 'x', start_time: 1 }),
    { agentId: '../x', row: bound },
    { agentId: AGENT_ID, ...bound },
  )}`;
  expect(faultsOf(text)).toEqual([
    '  line 2: rows of --group name no endpoint to act on; ask without it',
    '  line 3: no agentId: it does not say which endpoint it is of',
    '  line 4: start_time: process.kill needs this column of processes',
    '  line 5: not a JSON object',
    '  line 6: pid: a whole number is expected',
    '  line 7: "../x" is not the id of an agent',
    '  line 8: no row',
  ]);
  expect(faultsOf(JSON.stringify([first, 1]))).toEqual(['  item 2: not a JSON object']);
  expect(faultsOf(lines(...Array.from({ length: 12 }, () => ({}))))).toHaveLength(11);
});

test('text of rows cannot control the terminal', () => {
  expect(faultsOf(lines({ agentId: '\u001b[2J', row: {} }))).toEqual(['  line 1: "\\e[2J" is not the id of an agent']);
});

test('an action that cannot be bound to rows gives one error', () => {
  expect(() =>
    readRows(
      ACTIONS.find(({ name }) => name === 'host.isolate')!,
      lines(first, first),
    ),
  ).toThrow('host.isolate is not bound to rows');
});
