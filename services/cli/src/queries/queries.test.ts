import { describe, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID, COMMAND_ID, commandJson, endedQuery, QUERY_ID, queryJson } from '../testing/fake-api.js';

const { api, muster } = cliHarness();

const PATH = `/v1/queries/${QUERY_ID}`;
const ended = endedQuery({ rows: 3 }, { targeted: 3, answered: 2, timed_out: 1 });
const host = { num: 1, agentId: AGENT_ID, host: 'web-1' };
const page = (items: readonly object[], more: object = {}) => ({
  ...{ state: 'complete', mode: 'raw', columns: ['name', 'version'], items },
  ...more,
});

describe('muster queries', () => {
  test('lists who asked what, and filters go to the server', async () => {
    api.json('GET /v1/queries', { items: [ended, queryJson({ sql: '-- why\nSELECT\n  1', scope: 'os=linux' })] });
    const { code, out } = await muster([
      'queries',
      '--operator',
      'ann',
      '--since',
      '2026-01-01T00:00Z',
      '--limit',
      '7',
    ]);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^ID +ASKED +WHO +QUESTION +ON +STATE +ANSWERS +ROWS$/),
      expect.stringMatching(
        new RegExp(
          `^${QUERY_ID}  2026-01-01 00:00 UTC  ann  SELECT name, version FROM os_version +complete  2 of 3   3$`,
        ),
      ),
      expect.stringMatching(/ {2}SELECT 1 {2,}os=linux {2}running {3}0 of 0 {3}0$/),
      '',
    ]);
    expect(api.requests[0]?.path).toBe('/v1/queries?operator=ann&since=2026-01-01T00%3A00%3A00.000Z&limit=7');
    expect((await muster(['queries', '--since', 'tomorrow'])).err).toMatch(/--since takes how long ago/);
  });

  test('one is shown, with a link where a console is configured', async () => {
    api.json(`GET ${PATH}`, ended);
    const { out } = await muster(['queries', 'show', QUERY_ID], {
      env: { MUSTER_CONSOLE_URL: 'https://muster.example/' },
    });
    expect(out).toContain('ledger    3 targeted: 2 answered, 1 timed out\n');
    expect(out).toContain('asked     2026-01-01 00:00 UTC by ann\n');
    expect(out).toContain(`link      https://muster.example/ask/${QUERY_ID}\n`);
  });

  test('its rows are printed in the forms of muster query, over all pages', async () => {
    api.json(`GET ${PATH}`, ended);
    api.on(`GET ${PATH}/rows`, ({ path }, response) => {
      const isFirst = !path.includes('cursor');
      const item = { ...host, values: [isFirst ? 'Debian' : '=1+1', null] };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(page([item], isFirst ? { nextCursor: 'c' } : {})));
    });
    api.json(`GET ${PATH}/endpoints`, { state: 'complete', items: [] });
    const table = await muster(['queries', 'rows', QUERY_ID]);
    expect(table.out).toBe('HOST   NAME    VERSION\nweb-1  Debian\nweb-1  =1+1\n');
    expect(table.err).toMatch(/^3 targeted = 2 answered \+ 1 timed out; 3 rows/);
    expect(table.code).toBe(3);
    const ndjson = (await muster(['queries', 'rows', QUERY_ID, '-o', 'ndjson', '--limit', '1', '-q'])).out;
    expect(ndjson).toBe(`{"agentId":"${AGENT_ID}","host":"web-1","row":{"name":"Debian","version":null}}\n`);
    const json = JSON.parse((await muster(['queries', 'rows', QUERY_ID, '-o', 'json'])).out);
    expect(json).toMatchObject({ rows: [{ host: 'web-1' }, { host: 'web-1' }], query: { id: QUERY_ID } });
    const csv = (await muster(['queries', 'rows', QUERY_ID, '--excel'])).out;
    expect(csv).toBe(`\ufeffagent_id,host,name,version\r\n${AGENT_ID},web-1,Debian,\r\n${AGENT_ID},web-1,'=1+1,\r\n`);
    expect((await muster(['queries', 'rows', QUERY_ID, '--excel', '-o', 'json'])).code).toBe(2);
  });

  test('groups and reduced rows are printed too', async () => {
    const group = { index: 0, endpoints: 2, copies: 2, sample: [host], values: ['Debian', '12'] };
    api.json(`GET ${PATH}`, endedQuery({ mode: 'group' }, { targeted: 2, answered: 2 }));
    api.json(`GET ${PATH}/rows`, page([group], { mode: 'group' }));
    expect((await muster(['queries', 'rows', QUERY_ID])).out).toMatch(/^ +2 {2}Debian {2}12 {7}web-1 \+1$/m);
    api.json(`POST ${PATH}/reduce`, { columns: ['n'], rows: [[2]], truncated: false });
    const { out, code } = await muster(['queries', 'reduce', QUERY_ID, 'SELECT count(*) AS n FROM rows']);
    expect([out, code]).toEqual(['N\n2\n', 0]);
  });

  test('what rows lack goes with them, however they are read', async () => {
    const cut = { ...host, code: 'over_time', count: 1, message: 'not finished' };
    const query = endedQuery({ warned: 1, unfinished: 1 }, { targeted: 2, answered: 1, timed_out: 1 });
    api.json(`GET ${PATH}`, { ...query, ledger: { ...query.ledger, targeted: 1, timed_out: 0 } });
    api.json(`GET ${PATH}/rows`, page([{ ...host, values: ['Debian', '12'] }]));
    const failure = { ...host, outcome: 'timed_out', code: 'timeout', message: 'no answer' };
    api.json(`GET ${PATH}/endpoints`, { state: 'complete', items: [failure] });
    api.json(`GET ${PATH}/warnings`, { state: 'complete', items: [cut] });
    const rows = await muster(['queries', 'rows', QUERY_ID]);
    expect([rows.code, rows.err]).toEqual([3, expect.stringContaining('not finished')]);
    expect((await muster(['queries', 'rows', QUERY_ID, '-q'])).code).toBe(3);
    api.json(`POST ${PATH}/reduce`, { columns: ['n'], rows: [[2]], truncated: false });
    const reduced = await muster(['queries', 'reduce', QUERY_ID, 'SELECT 2 AS n', '-o', 'json']);
    expect(reduced.code).toBe(3);
    expect(JSON.parse(reduced.out)).toMatchObject({
      failures: [{ host: 'web-1', outcome: 'timed_out' }],
      warnings: [{ host: 'web-1', code: 'over_time' }],
    });
  });

  test('a retry is judged with what it asks again: its own end is not the end of all', async () => {
    const first = QUERY_ID.replace(/0$/, '1');
    api.json(`GET ${PATH}`, endedQuery({ retryOf: first }, { targeted: 1, answered: 1 }));
    api.json(`GET /v1/queries/${first}`, endedQuery({ id: first }, { targeted: 3, answered: 1, timed_out: 2 }));
    api.json(`GET ${PATH}/rows`, page([]));
    const failure = { ...host, outcome: 'timed_out', code: 'timeout', message: 'no answer' };
    const { ledger } = endedQuery({}, { targeted: 3, answered: 2, timed_out: 1 });
    api.on(`GET ${PATH}/endpoints`, ({ path }, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const merged = path.includes('merged=true');
      response.end(JSON.stringify({ state: 'complete', ...(merged ? { ledger, items: [failure] } : { items: [] }) }));
    });
    api.json(`GET ${PATH}/warnings`, { state: 'complete', items: [] });
    const { code, out } = await muster(['queries', 'rows', QUERY_ID, '--merged', '-o', 'json']);
    expect([code, JSON.parse(out).failures]).toEqual([3, [expect.objectContaining({ host: 'web-1' })]]);
    expect((await muster(['queries', 'rows', QUERY_ID, '-q'])).code).toBe(0);
    api.json(`POST ${PATH}/reduce`, { columns: ['n'], rows: [[2]], truncated: false });
    const words = ['queries', 'reduce', QUERY_ID, 'SELECT :n AS n', '--merged', '--param', 'n=2', '-q'];
    expect((await muster(words)).code).toBe(3);
    const { body } = api.requests.find(({ method }) => method === 'POST') ?? {};
    expect(body).toEqual({ sql: 'SELECT :n AS n', merged: true, parameters: { n: 2 } });
  });

  test('one is shown with all that says how it was asked, and what its answers lack', async () => {
    const more = {
      ...{ parameters: { port: 22, name: 'x' }, budget: { ms: 600_000, priority: 'low' as const }, retryOf: 'q9' },
      ...{ waitUntil: '2026-01-08T00:00:00.000Z', standing: true as const, warned: 3, unfinished: 2 },
    };
    api.json(`GET ${PATH}`, endedQuery(more));
    const { out } = await muster(['queries', 'show', QUERY_ID]);
    for (const line of [
      /^parameters +port=22, name=x$/m,
      /^budget +600 s on each endpoint, low priority$/m,
      /^again +where q9 got no answer$/m,
      /^waits until +2026-01-08 00:00 UTC, also for endpoints that enrol later$/m,
      /^warned +3 answers lack something; 2 did not finish the search$/m,
    ])
      expect(out).toMatch(line);
  });

  test('one asked again keeps its budget, how long it waits and what it asked again', async () => {
    api.query(queryJson(), [{ event: 'ended', seq: 1, query: ended }]);
    const budget = { ms: 600_000, priority: 'low' } as const;
    const waits = { budget, waitUntil: '2026-01-08T00:00:00.000Z', standing: true as const };
    api.json(`GET ${PATH}`, endedQuery(waits));
    const beforeMs = Date.now();
    await muster(['queries', 'rerun', QUERY_ID]);
    const asked = () => api.requests.findLast(({ method }) => method === 'POST')?.body as Record<string, unknown>;
    expect(asked()).toMatchObject({ budget: { time: '600000ms', priority: 'low' }, standing: true });
    const waitMs = Date.parse(String(asked()['waitUntil'])) - beforeMs;
    expect(Math.round(waitMs / 86_400_000)).toBe(7);
    api.json(`GET ${PATH}`, endedQuery({ retryOf: 'q9', selector: 'os=linux' }));
    await muster(['queries', 'rerun', QUERY_ID]);
    expect(asked()).toEqual({ retryOf: 'q9', timeoutMs: 30_000 });
    api.json(`GET ${PATH}`, endedQuery({ pack: { id: 'base', version: '1' }, sql: '' }));
    expect((await muster(['queries', 'rerun', QUERY_ID])).err).toContain('muster scan base');
  });

  test('who did not answer is listed by outcome', async () => {
    const failure = { ...host, outcome: 'timed_out', code: 'timeout', message: 'no answer' };
    api.json(`GET ${PATH}/endpoints`, { state: 'complete', items: [failure] });
    const { out } = await muster(['queries', 'endpoints', QUERY_ID, '--outcome', 'timed_out']);
    expect(out.split('\n')[1]).toBe(`web-1  ${AGENT_ID}  timed_out  timeout  no answer`);
    expect(api.requests[0]?.path).toContain('outcome=timed_out');
    expect((await muster(['queries', 'endpoints', QUERY_ID, '--outcome', 'lost'])).code).toBe(2);
  });

  test('one is cancelled, and one is asked again', async () => {
    api.json(`DELETE ${PATH}`, queryJson({}, { targeted: 2, answered: 1, waiting: 1 }), 202);
    expect((await muster(['queries', 'cancel', QUERY_ID])).err).toBe(
      `${QUERY_ID} is cancelled: 1 answered, 1 waiting\n`,
    );
    api.query(queryJson(), [{ event: 'ended', seq: 1, query: ended }]);
    api.json(`GET ${PATH}`, endedQuery({ selector: 'os=linux', mode: 'group', reduce: 'SELECT 1' }));
    await muster(['queries', 'rerun', QUERY_ID, '--timeout', '5s']);
    const { sql } = ended;
    expect(api.requests.find(({ method }) => method === 'POST')?.body).toEqual({
      ...{ sql, selector: 'os=linux', mode: 'group', reduce: 'SELECT 1', timeout: '5s' },
    });
  });
});

describe('an id may be shortened', () => {
  test('to a beginning that only one has', async () => {
    api.json('GET /v1/queries', { items: [ended] });
    api.json(`GET ${PATH}`, ended);
    expect((await muster(['queries', 'show', 'q01k'])).out).toContain(QUERY_ID);
    expect(api.requests[0]?.path).toBe('/v1/queries?id=q01k&limit=6');
    api.json('GET /v1/commands', { items: [commandJson()] });
    api.json(`GET /v1/commands/${COMMAND_ID}`, commandJson());
    expect((await muster(['commands', 'show', 'c01k'])).out).toContain(COMMAND_ID);
  });

  test('those of an ambiguous one are named, and what is none is refused without asking', async () => {
    const other = QUERY_ID.replace(/0$/, '1');
    api.json('GET /v1/queries', { items: [ended, queryJson({ id: other })] });
    const { code, err } = await muster(['queries', 'show', 'q01k']);
    expect(code).toBe(2);
    expect(err).toContain(`several ids begin with "q01k": ${QUERY_ID}, ${other}`);
    api.json('GET /v1/queries', { items: [] });
    expect((await muster(['queries', 'show', 'q9'])).err).toContain('no query has an id that begins with "q9"');
    const before = api.requests.length;
    expect((await muster(['queries', 'show', 'c01k'])).err).toContain('"c01k" is not the id of a query');
    expect(api.requests).toHaveLength(before);
  });

  test('of a token and a webhook too', async () => {
    api.json('GET /v1/tokens', { items: [{ tokenId: 'aaaa' }, { tokenId: 'aabb' }, { tokenId: 'cccc' }] });
    api.json('DELETE /v1/tokens/cccc', {}, 200);
    expect((await muster(['tokens', 'revoke', 'cc'])).err).toBe('token cccc is revoked\n');
    expect((await muster(['tokens', 'revoke', 'aa'])).err).toContain('aaaa, aabb');
    api.json('GET /v1/webhooks', { items: [{ id: 'waaaa' }] });
    api.json('DELETE /v1/webhooks/waaaa', {}, 200);
    expect((await muster(['webhooks', 'delete', 'wa'])).err).toBe('webhook waaaa is deleted\n');
  });
});
