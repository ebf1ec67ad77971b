import { beforeEach, describe, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { commandJson, endedQuery, queryJson } from '../testing/fake-api.js';

const { api, muster } = cliHarness();

const label = (key: string, values: Record<string, number>) => ({
  key,
  endpoints: Object.values(values).reduce((sum, one) => sum + one, 0),
  distinct: Object.keys(values).length,
  values: Object.entries(values).map(([value, endpoints]) => ({ value, endpoints })),
});
const items = [label('env', { prod: 1_200, staging: 3 }), label('os', { linux: 1_203 })];

beforeEach(() => api.json('GET /v1/labels', { endpoints: 1_203, items }));

test('muster labels lists them with their values, and the values of one', async () => {
  expect((await muster(['labels'])).out).toBe(
    'LABEL  ENDPOINTS  VALUES\nenv    1,203      prod (1,200), staging (3)\nos     1,203      linux (1,203)\n',
  );
  expect((await muster(['labels', 'env'])).out).toBe('VALUE    ENDPOINTS\nprod     1,200\nstaging  3\n');
  expect((await muster(['labels', 'evn'])).err).toContain('did you mean env?');
});

describe('a selector that nobody matches: which part it is', () => {
  const nobody = async (selector: string): Promise<string | undefined> => {
    api.query(queryJson(), [{ event: 'ended', seq: 1, query: endedQuery({ selector, scope: selector }) }]);
    return (await muster(['query', 'SELECT 1', '--target', selector])).err.split('\n')[2];
  };

  test.each([
    ['evn=prod', 'No endpoint has the label evn; did you mean env?'],
    ['env=prdo', 'No endpoint has env=prdo; did you mean prod?'],
    ['os=linux,env in (x,y)', 'No endpoint has env=x or env=y; there are prod, staging'],
    ['env=staging,os=linux', 'Each part has endpoints, but none has them all.'],
  ])('%s', async (selector, why) => {
    expect(await nobody(selector)).toBe(why);
  });

  test('of a host a similar one is named', async () => {
    api.on('GET /v1/agents', ({ path }, response) => {
      const found = path.includes('selector=') ? [] : [{ host: 'web-1' }];
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ items: found }));
    });
    expect(await nobody('host=wbe-1')).toBe('No endpoint is called wbe-1; did you mean web-1?');
    expect((await muster(['agents', 'show', 'wbe-1'])).err).toContain('did you mean web-1?');
  });

  test('of a command too', async () => {
    api.command(commandJson(), []);
    api.json('POST /v1/commands/plan', { code: 'no_targets', status: 422, detail: 'nobody' }, 422);
    const args = ['run', 'process.kill', 'name=x', '--target', 'evn=prod'];
    expect((await muster(args, { isTTY: true, answers: [] })).err).toContain('did you mean env?');
  });
});

test('labels of many are set after the count was agreed to; a script is not asked', async () => {
  api.json('GET /v1/agents', { items: [], counts: { total: 12, live: 1, poll: 1, offline: 10, labels: {} } });
  api.json('POST /v1/agents/labels', { matched: 12, changed: 12, unchanged: 0, failed: 0 });
  const args = ['agents', 'label', '--target', 'os=linux', 'env=prod', 'old-'];
  const asked = await muster(args, { isTTY: true, answers: ['n'] });
  expect(asked.asked[0]?.question).toBe('12 endpoints (os=linux): set env=prod, remove old\nGo on? [y/N] ');
  expect(api.requests.some(({ method }) => method === 'POST')).toBe(false);
  expect((await muster(args, { isTTY: true, answers: ['y'] })).code).toBe(0);
  expect((await muster(args)).code).toBe(0);
  expect(api.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
});

test('a table or column that does not exist: a similar one is named', async () => {
  const columns = [{ name: 'pid' }, { name: 'name' }];
  api.json('GET /v1/tables', { items: [{ name: 'processes', columns }] });
  const ask = async (sql: string, detail: string): Promise<string> => {
    api.json('POST /v1/queries', { code: 'sql_error', status: 422, detail }, 422);
    return (await muster(['query', sql])).err;
  };
  expect(await ask('SELECT * FROM proceses', 'no such table: proceses')).toContain('hint: did you mean processes?');
  expect(await ask('SELECT nmae FROM processes', 'no such column: nmae')).toContain('hint: did you mean name?');
  expect(await ask('SELECT (', 'incomplete input')).not.toContain('hint');
});

test('whoami shows role, scope and expiry; a broker that is away is named as such', async () => {
  const me = { kind: 'token', id: 't1', name: 'ann', org: 'default', role: 'analyst', permissions: ['queries:run'] };
  api.json('GET /v1/me', { ...me, selector: 'site=one', expiresAt: '2026-02-01T00:00:00.000Z' });
  const { out } = await muster(['whoami']);
  for (const line of ['role     analyst', 'scope    site=one', 'expires  2026-02-01 00:00 UTC'])
    expect(out).toContain(`${line}\n`);
  api.json('GET /v1/me', { code: 'broker_unavailable', status: 503, detail: 'try again' }, 503);
  expect((await muster(['whoami'])).err).toContain('the server cannot reach its broker: try again');
});

test('every command knows --version', async () => {
  const { out, code } = await muster(['query', '--version']);
  expect([code, out]).toEqual([0, expect.stringMatching(/^muster \d+\.\d+\.\d+\n$/)]);
  expect((await muster(['--version'])).out).toBe(out);
  expect((await muster(['version'])).out).toBe(out);
});
