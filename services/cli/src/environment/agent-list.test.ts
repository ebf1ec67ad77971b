import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery, queryJson } from '../testing/fake-api.js';

const { api, muster } = cliHarness();
const [ONE, TWO] = ['a'.repeat(24), 'b'.repeat(24)];

test.each([
  ['ids', `${ONE},${TWO},${ONE}`, undefined],
  ['standard input', '-', `${ONE}\n\n# web\n${TWO} # db\r\n`],
  ['a file', 'FILE', undefined],
])('--agents takes %s', async (_, agents, input) => {
  const file = join(mkdtempSync(join(tmpdir(), 'muster-agents-')), 'ids');
  writeFileSync(file, `${ONE}\n${TWO}\n`);
  api.query(queryJson(), [{ event: 'ended', seq: 1, query: endedQuery() }]);
  const words = ['query', 'SELECT 1', '--agents', agents === 'FILE' ? file : agents];
  expect((await muster(words, input === undefined ? {} : { input })).code).toBe(0);
  const asked = api.requests.find(({ method }) => method === 'POST')?.body;
  expect(asked).toMatchObject({ agents: [ONE, TWO], selector: '' });
});

test.each([
  [['--agents', ONE, '-t', 'os=linux'], 'only one of --target and --agents'],
  [['--agents', 'web-1,web-2'], '--agents takes ids'],
  [['--agents', '/nowhere/ids'], 'cannot be read: ENOENT'],
])('%j is refused before anything is asked', async (words, message) => {
  const { code, err } = await muster(['query', 'SELECT 1', ...words]);
  expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  expect(api.requests).toEqual([]);
});

test('a query of named endpoints is not silently asked of all', async () => {
  api.json(`GET /v1/queries/${queryJson().id}`, endedQuery({ agents: 3 }));
  const { code, err } = await muster(['queries', 'rerun', queryJson().id]);
  expect([code, err]).toEqual([2, expect.stringContaining('asked 3 endpoints by id')]);
});
