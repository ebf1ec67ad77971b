import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { ACTIONS, COMMAND_ID, commandJson, QUERY_ID, queryJson } from '../testing/fake-api.js';

const { api, muster } = cliHarness();

async function complete(...words: string[]): Promise<string[]> {
  const { code, out } = await muster(['__complete', '--', ...words]);
  expect(code).toBe(0);
  return out.split('\n').filter((word) => word !== '');
}

test('commands, their commands, options and values of options complete', async () => {
  expect(await complete('qu')).toEqual(['query', 'questions', 'queries']);
  expect(await complete('agents', '')).toEqual(['list', 'show', 'label', 'revoke']);
  expect(await complete('query', '--ta')).toEqual(['--target']);
  expect(await complete('query', '--output', 'nd')).toEqual(['ndjson']);
  expect(await complete('tokens', 'create', 'x', '--role', '')).toEqual(['viewer', 'analyst', 'responder', 'admin']);
  expect(await complete('query', '--target', '')).toEqual(['host=', 'id=', 'health=']);
  expect(await complete('completion', 'f')).toEqual(['fish']);
  expect(await complete('mode', '')).toEqual(['live', 'poll', 'default']);
  expect(await complete('mode', 'live', '--i')).toEqual(['--interval']);
  expect(await complete('mode', '--id', 'x', 'p')).toEqual(['poll']);
  expect(await complete('agents', 'list', '--output', 'w')).toEqual(['wide']);
  expect(await complete('to')).toEqual(['top', 'tokens']);
  expect(await complete('top', '--by', 'd')).toEqual(['disk', 'disk_io']);
  expect(await complete('health', '--w')).toEqual(['--watch']);
  expect(await complete('ban')).toEqual(['bandwidth']);
  expect(await complete('bandwidth', '--t')).toEqual(['--target', '--top', '--timeout']);
});

test('actions, their parameters and few values, and ids of commands come from the server', async () => {
  api.json('GET /v1/actions', { items: ACTIONS });
  api.json('GET /v1/commands', { items: [commandJson()] });
  expect(await complete('run', 'pro')).toEqual(['process.kill']);
  expect(await complete('actions', '')).toEqual(ACTIONS.map(({ name }) => name));
  expect(await complete('run', 'process.kill', 'pid=1', '')).toEqual(['start_time=', 'path=', 'name=', 'signal=']);
  expect(await complete('run', '--yes', '-t', 'os=linux', 'process.kill', 's')).toEqual(['start_time=', 'signal=']);
  expect(await complete('run', 'process.kill', '--from', '')).toEqual([]);
  for (const args of [['commands', 'show'], ['commands', 'watch'], ['commands', 'targets'], ['undo']])
    expect(await complete(...args, 'c0')).toEqual([COMMAND_ID]);
  const hosts = ['web-1', 'web-2', 'db\u001b[31m', 'web-1'].map((host) => ({ host }));
  api.json('GET /v1/agents', { items: hosts });
  expect(await complete('top', '')).toEqual(['web-1', 'web-2']);
  expect(await complete('agents', 'show', 'web-2')).toEqual(['web-2']);
  expect(await complete('top', 'web-1', '')).toEqual([]);
  expect(await complete('commands', 'approve', '')).toEqual([COMMAND_ID]);
  expect(api.requests.at(-1)?.path).toContain('status=awaiting_approval');
  expect(await complete('commands', 'show', COMMAND_ID, '')).toEqual([]);
});

test('tables, columns, labels, selectors, hosts and ids of queries come from the server', async () => {
  api.json('GET /v1/tables', { items: [{ name: 'processes', columns: [{ name: 'pid' }, { name: 'path' }] }] });
  const values = [
    { value: 'prod', endpoints: 1 },
    { value: 'test', endpoints: 1 },
  ];
  api.json('GET /v1/labels', { endpoints: 2, items: [{ key: 'env', endpoints: 2, distinct: 2, values }] });
  api.json('GET /v1/agents', { items: [{ host: 'web-1' }] });
  api.json('GET /v1/queries', { items: [queryJson()] });
  expect(await complete('tables', 'pro')).toEqual(['processes']);
  expect(await complete('labels', '')).toEqual(['env']);
  expect(await complete('query', 'SELECT pid FROM pro')).toEqual(['SELECT pid FROM processes']);
  expect(await complete('query', 'SELECT pid FROM processes WHERE pa')).toEqual([
    'SELECT pid FROM processes WHERE path',
  ]);
  expect(await complete('query', '-t', 'e')).toEqual(['env=']);
  expect(await complete('query', '-t', 'os=linux,env=p')).toEqual(['os=linux,env=prod']);
  expect(await complete('query', '-t', 'host', '=', 'w')).toEqual(['web-1']);
  expect(await complete('queries', 'rows', 'q')).toEqual([QUERY_ID]);
});

test('a value completes whether or not the shell treats "=" as a separate word, as bash does', async () => {
  api.json('GET /v1/actions', { items: ACTIONS });
  expect(await complete('run', 'process.kill', 'signal=K')).toEqual(['signal=KILL']);
  expect(await complete('run', 'process.kill', 'signal', '=')).toEqual(['TERM', 'KILL']);
  expect(await complete('run', 'process.kill', 'signal', '=', 'K')).toEqual(['KILL']);
  expect(await complete('run', 'process.kill', 'pid', '=', '1', 'si')).toEqual(['signal=']);
});

test('without a server there is nothing to offer, and no error', async () => {
  expect(await complete('run', '')).toEqual([]);
  expect(await complete('--context', 'none', 'run', '')).toEqual([]);
});

test('hidden commands are not offered, and each shell has a script', async () => {
  expect(await complete('_')).toEqual([]);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await muster(['completion', shell]);
    expect(code).toBe(0);
    expect(out).toContain('muster __complete');
  }
  expect(await muster(['completion', 'tcsh'])).toMatchObject({ code: 2 });
});
