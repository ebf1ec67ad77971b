import { describe, expect, test } from '@jest/globals';
import type { QueryEvent, QueryJson } from '@muster/api-contract';
import { wallTime } from '../terminal/time-text.js';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery, QUERY_ID, queryJson } from '../testing/fake-api.js';
import { progressText } from './progress.js';

const { api, muster, terminal: openTerminal } = cliHarness({ MUSTER_TOKEN: 't' });

const SQL = 'SELECT name, version FROM os_version';
const host = (num: number, name = `h${num}`) => ({ num, agentId: `agent${num}`, host: name });
const rowsEvent = (seq: number, num: number, ...rows: (string | number | null)[][]): QueryEvent => ({
  event: 'rows',
  seq,
  answers: [{ ...host(num), rows }],
});

describe('muster query', () => {
  test('prints rows on stdout and the ledger on stderr, and ends with 0 when all endpoints answered', async () => {
    api.query(queryJson(), [
      { event: 'started', seq: 1, query: queryJson() },
      rowsEvent(2, 1, ['Debian', '12']),
      rowsEvent(3, 2, ['Ubuntu', null]),
      { event: 'ended', seq: 4, query: endedQuery({ rows: 2 }, { targeted: 3, answered: 2, empty: 1 }) },
    ]);
    const { code, out, err } = await muster(['query', SQL, '--target', 'os=linux', '--timeout', '5s']);
    expect(out).toBe('HOST  NAME    VERSION\nh1    Debian  12\nh2    Ubuntu\n');
    expect(err).toBe(`3 targeted = 2 answered + 1 empty; 2 rows in 1.5 s (${QUERY_ID})\n`);
    expect(code).toBe(0);
    expect(api.requests[0]).toMatchObject({ body: { sql: SQL, selector: 'os=linux', mode: 'raw', timeout: '5s' } });
    expect(api.requests[0]!.headers.authorization).toBe('Bearer t');
  });

  test('--until prints what there is when there is enough, and leaves the query to go on', async () => {
    const ledger = { ...queryJson().ledger, targeted: 3, waiting: 2, answered: 1 };
    api.json('POST /v1/queries', queryJson(), 201);
    api.on(`GET /v1/queries/${QUERY_ID}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const progress: QueryEvent = { event: 'progress', seq: 3, ledger, elapsedMs: 1, gateways: 1 };
      for (const event of [rowsEvent(2, 1, ['Debian', '12']), progress]) response.write(`${JSON.stringify(event)}\n`);
    });
    const { code, out, err } = await muster(['query', SQL, '--until', '1']);
    expect(out).toBe('HOST  NAME    VERSION\nh1    Debian  12\n');
    expect(err).toContain('Still running. 3 targeted = 1 answered + 2 waiting');
    expect(err).toContain(`It goes on: muster queries rows ${QUERY_ID}`);
    expect(code).toBe(0);
    expect(api.requests.map(({ method }) => method)).not.toContain('DELETE');
  });

  test('ends with 3 and counts endpoints that did not answer by reason, without those that recovered', async () => {
    const failure = (num: number) => ({
      ...host(num),
      outcome: 'timed_out' as const,
      code: 'timeout',
      message: 'no answer',
    });
    api.query(queryJson(), [
      { event: 'failures', seq: 1, failures: Array.from({ length: 14 }, (_, i) => failure(i + 1)) },
      { event: 'recovered', seq: 2, endpoints: [host(1)] },
      { event: 'failures', seq: 2, failures: [{ ...failure(14), outcome: 'error', code: 'sql_error', message: 'no' }] },
      { event: 'ended', seq: 3, query: endedQuery({}, { targeted: 14, answered: 1, timed_out: 13 }) },
    ]);
    const { code, err } = await muster(['query', SQL]);
    expect(code).toBe(3);
    expect(err).toMatch(/^14 targeted = 1 answered \+ 13 timed out; 0 rows/);
    expect(err).toMatch(/^ +12 {2}timed_out {2}timeout {4}no answer$/m);
    expect(err).toMatch(/^ +1 {2}error {6}sql_error {2}h14: no$/m);
    expect(err).toContain(`muster queries endpoints ${QUERY_ID} names them`);
  });

  test('the progress line has how many work on a long search, and how many of them stand still', () => {
    const running = { ...queryJson(), ledger: { ...queryJson().ledger, targeted: 1_300, answered: 0, waiting: 1_300 } };
    const working = { endpoints: 1_200, paused: 0, looked: 1_204_555 };
    const text = (more: object) => progressText({ ...running, working: { ...working, ...more } });
    expect(text({})).toContain(' · 1,200 working, 1,204,555 looked at · ');
    expect(text({ paused: 1 })).toContain('1,200 working (1 stands still), ');
    expect(text({ paused: 2 })).toContain('1,200 working (2 stand still), ');
  });

  describe('while endpoints that poll are waited for', () => {
    const by = '2026-01-01T00:00:20.000Z';
    const late = '2026-01-01T00:02:10.000Z';
    const at = (time: string) => wallTime(time, Date.now());
    const ledger = (change: Partial<QueryJson['ledger']>) => ({ ...queryJson().ledger, ...change });

    test('the progress line counts them separately and shows when they will have heard of it', () => {
      const running = {
        ...queryJson(),
        ledger: ledger({ targeted: 210, answered: 5, empty: 1, waiting: 202, error: 2 }),
      };
      expect(progressText(running)).toBe('210 targeted · 6 answered · 202 waiting · 2 failed');
      expect(progressText({ ...running, polling: { waiting: 12, answerBy: by } })).toBe(
        `210 targeted · 6 answered · 190 waiting · 12 waiting (poll, by ${at(by)}) · 2 failed`,
      );
      expect(progressText({ ...running, polling: { waiting: 12, answerBy: late } })).toContain(
        `12 waiting (poll, by ${at(late)}, after the deadline at ${at(running.deadlineAt)})`,
      );
    });

    async function endOf(answerBy: string, scope = 'os=linux') {
      const polling = { waiting: 12, answerBy };
      api.query(queryJson(), [
        {
          event: 'progress',
          seq: 1,
          ledger: ledger({ targeted: 12, waiting: 12 }),
          polling,
          elapsedMs: 1,
          gateways: 1,
        },
        { event: 'progress', seq: 2, ledger: ledger({ targeted: 12, timed_out: 12 }), elapsedMs: 2, gateways: 1 },
        { event: 'ended', seq: 3, query: endedQuery({ scope }, { targeted: 12, timed_out: 12 }) },
      ]);
      const { code, err } = await muster(['query', SQL]);
      expect(code).toBe(3);
      return err.split('\n').slice(1).join('\n');
    }

    test('the summary names a remedy when they were due only after the deadline', async () => {
      expect(await endOf(late)).toBe(
        `12 of those polled, and the deadline came first: the last was due at ${at(late)}.\n` +
          "Ask with --timeout 3m, or make them Live first: muster mode live --target 'os=linux,mode=poll'\n",
      );
      // A query cannot last that long.
      expect(await endOf('2026-01-01T01:00:00.000Z', '')).toMatch(
        /\nMake them Live first: muster mode live --target 'mode=poll'\n$/,
      );
      expect(await endOf(by)).toBe('');
    });

    test('the line is shown on a terminal', async () => {
      api.query(queryJson(), []);
      let end: () => void = () => undefined;
      const running: QueryEvent = {
        event: 'progress',
        seq: 1,
        ledger: ledger({ targeted: 1, waiting: 1 }),
        elapsedMs: 1,
        gateways: 1,
        polling: { waiting: 1, answerBy: by },
      };
      api.on(`GET /v1/queries/${QUERY_ID}/events`, (_, response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.write(`${JSON.stringify(running)}\n`);
        const ended = { event: 'ended', seq: 2, query: endedQuery({}, { targeted: 1, empty: 1 }) };
        end = () => response.end(`${JSON.stringify(ended)}\n`);
      });
      const terminal = openTerminal({ env: { NO_COLOR: '1' }, isTTY: true, columns: 200 });
      const code = runCli(['query', SQL], terminal);
      while (!terminal.err().includes(`1 waiting (poll, by ${at(by)})`))
        await new Promise((turn) => setImmediate(turn));
      end();
      expect(await code).toBe(0);
    });
  });

  test('continues after the last event when the connection breaks', async () => {
    api.query(queryJson(), []);
    let opened = 0;
    api.on(`GET /v1/queries/${QUERY_ID}/events`, ({ headers }, response) => {
      opened += 1;
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      if (opened === 1) {
        // One whole event, then half an event.
        response.write(`${JSON.stringify(rowsEvent(7, 1, ['a', '1']))}\n{"event":"rows","se`, () => response.destroy());
        return;
      }
      expect(headers['last-event-id']).toBe('7');
      response.write(`${JSON.stringify(rowsEvent(8, 2, ['b', '2']))}\n`);
      response.end(
        `${JSON.stringify({ event: 'ended', seq: 9, query: endedQuery({ rows: 2 }, { targeted: 2, answered: 2 }) })}\n`,
      );
    });
    const { code, out } = await muster(['query', SQL, '--output', 'ndjson']);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { agentId: 'agent1', host: 'h1', row: { name: 'a', version: '1' } },
      { agentId: 'agent2', host: 'h2', row: { name: 'b', version: '2' } },
    ]);
    expect(code).toBe(0);
    expect(opened).toBe(2);
  });

  test('Ctrl-C cancels the query, keeps what came, and ends with 130', async () => {
    api.query(queryJson(), []);
    const terminal = openTerminal();
    let end: () => void = () => undefined;
    api.on(`GET /v1/queries/${QUERY_ID}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(rowsEvent(1, 1, ['a', '1']))}\n`, () => terminal.interrupt());
      end = () =>
        response.end(
          `${JSON.stringify({ event: 'ended', seq: 2, query: endedQuery({ state: 'cancelled' }, { targeted: 2, answered: 1, timed_out: 1 }) })}\n`,
        );
    });
    api.on(`DELETE /v1/queries/${QUERY_ID}`, (_, response) => {
      response.writeHead(202).end('{}');
      end();
    });
    expect(await runCli(['query', SQL], terminal)).toBe(130);
    expect(terminal.out()).toMatch(/^h1 {2,}a {2,}1$/m);
    expect(terminal.err()).toMatch(/^Cancelled\. 2 targeted/);
  });

  test('when the reader of the output goes away the query is cancelled', async () => {
    const many = Array.from({ length: 50 }, (_, i) => rowsEvent(i + 1, i, ['a', '1']));
    api.query(queryJson(), [...many, { event: 'ended', seq: 99, query: endedQuery() }]);
    const { code, err } = await muster(['query', SQL, '-o', 'ndjson'], { closeAfter: 3 });
    expect(code).toBe(141);
    expect(err).toBe('');
    expect(api.requests.at(-1)?.method).toBe('DELETE');
  });

  test('groups come once, at the end, with the most frequent first', async () => {
    const group = (index: number, endpoints: number, name: string) => ({
      index,
      endpoints,
      copies: endpoints,
      sample: [host(1), host(2)],
      values: [name, null],
    });
    api.query(queryJson({ mode: 'group' }), [
      { event: 'groups', seq: 1, groups: [group(0, 1, 'rare'), group(1, 2, 'common')] },
      { event: 'groups', seq: 2, groups: [group(1, 4_000, 'common')] },
      // Its query ends before the rest of these: they do not count.
      { event: 'groups', seq: 3, groups: [group(0, 9, 'rare')], more: true },
      { event: 'ended', seq: 4, query: endedQuery({ mode: 'group', rows: 2 }, { targeted: 4_001, answered: 4_001 }) },
    ]);
    const { out, err } = await muster(['query', SQL, '--group']);
    expect(out.split('\n')).toEqual([
      'ENDPOINTS  NAME    VERSION  SEEN ON',
      '     4000  common           h1, h2 +3998',
      '        1  rare             h1, h2',
      '',
    ]);
    expect(err).toMatch(/4,001 targeted = 4,001 answered; 2 distinct rows/);
  });

  test('with a reduce only its rows are printed; one that fails ends with 1', async () => {
    const started = queryJson({ reduce: 'SELECT count(*) AS n FROM rows' });
    const end: QueryEvent = {
      event: 'ended',
      seq: 3,
      query: endedQuery({ reduce: started.reduce! }, { targeted: 1, answered: 1 }),
    };
    api.query(started, [
      rowsEvent(1, 1, ['a', '1']),
      { event: 'reduced', seq: 2, columns: ['n'], rows: [[1]], truncated: false },
      end,
    ]);
    expect(await muster(['query', SQL, '--reduce', 'x', '-o', 'csv'])).toMatchObject({ code: 0, out: 'n\r\n1\r\n' });
    api.query(started, [
      { event: 'reduced', seq: 2, columns: [], rows: [], truncated: false, error: 'no such column: x' },
      end,
    ]);
    const failed = await muster(['query', SQL, '--reduce', 'x']);
    expect(failed.code).toBe(1);
    expect(failed.err).toMatch(/reduce failed: no such column: x/);
  });

  test('text of endpoints cannot control the terminal, in any output form', async () => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202egnp.exe\n';
    const events: QueryEvent[] = [
      { event: 'rows', seq: 1, answers: [{ num: 1, agentId: 'a', host: evil, rows: [[evil, evil]] }] },
      { event: 'failures', seq: 2, failures: [{ ...host(2, evil), outcome: 'error', code: 'x', message: evil }] },
      { event: 'ended', seq: 3, query: endedQuery({}, { targeted: 2, answered: 1, error: 1 }) },
    ];
    for (const output of ['table', 'json', 'ndjson', 'csv']) {
      api.query(queryJson(), events);
      const { out, err } = await muster(['query', SQL, '-o', output], {
        isTTY: true,
        columns: 400,
        env: { NO_COLOR: '1' },
      });
      const shown = out + err.replaceAll('\r\u001b[K', '');
      // eslint-disable-next-line no-control-regex
      expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      if (output.includes('json')) expect(out).toContain(JSON.stringify(evil).slice(-9, -4));
    }
  });

  test('the JSON document holds rows, failures and the ledger, also with no row at all', async () => {
    api.query(queryJson(), [{ event: 'ended', seq: 1, query: endedQuery({}, { targeted: 1, empty: 1 }) }]);
    const { out } = await muster(['query', SQL, '-o', 'json', '--quiet']);
    expect(JSON.parse(out)).toMatchObject({ rows: [], failures: [], query: { ledger: { targeted: 1, empty: 1 } } });
  });

  test('an answer that lacks something says so, though it is complete', async () => {
    const warning = { ...host(1), code: 'cut', count: 3, message: 'cmdline has 1700000 bytes' };
    api.query(queryJson(), [
      { event: 'warnings', seq: 1, warnings: [warning] },
      { event: 'ended', seq: 2, query: endedQuery({ warned: 1 }, { targeted: 1, empty: 1 }) },
    ]);
    const { code, err } = await muster(['query', SQL]);
    expect([code, err]).toEqual([0, expect.stringMatching(/^1 answered without something/m)]);
    expect(err).toMatch(/^h1 {2,}cut +3 {2,}cmdline has 1700000 bytes$/m);
    const { out } = await muster(['query', SQL, '-o', 'json', '--quiet']);
    expect(JSON.parse(out)).toMatchObject({ warnings: [{ agentId: 'agent1', host: 'h1', code: 'cut', count: 3 }] });
  });

  test('a search that an endpoint did not finish ends with 3; one that ran out of time names the remedy', async () => {
    const warning = { ...host(1), code: 'over_time', count: 1, message: 'not finished' };
    api.query(queryJson(), [
      { event: 'warnings', seq: 1, warnings: [warning] },
      { event: 'ended', seq: 2, query: endedQuery({ warned: 1 }, { targeted: 1, answered: 1 }) },
    ]);
    expect((await muster(['query', SQL, '--budget', '10m,low'])).code).toBe(3);
    expect(api.requests.at(0)).toMatchObject({ body: { budget: { time: '10m', priority: 'low' } } });
    api.query(queryJson(), [
      {
        event: 'failures',
        seq: 1,
        failures: [{ ...host(1), outcome: 'over_budget', code: 'over_time', message: 'x' }],
      },
      { event: 'ended', seq: 2, query: endedQuery({}, { targeted: 1, over_budget: 1 }) },
    ]);
    expect((await muster(['query', SQL])).err).toMatch(/Out of time: .*--budget 10m/);
  });

  test.each(['', 'low', '10m,high', '10m,low,more', 'ten'])('--budget %j is none', async (budget) => {
    expect((await muster(['query', SQL, '--budget', budget])).code).toBe(2);
    expect(api.requests).toEqual([]);
  });

  test('blobs, big numbers, NULL and empty text stay distinct', async () => {
    const values = [{ $blob: 'AP8=' }, '9007199254740993', null, ''];
    api.query(queryJson({ columns: ['a', 'b', 'c', 'c'] }), [
      { event: 'rows', seq: 1, answers: [{ ...host(1), rows: [values] }] },
      { event: 'ended', seq: 2, query: endedQuery({}, { targeted: 1, answered: 1 }) },
    ]);
    const csv = await muster(['query', SQL, '-o', 'csv']);
    expect(csv.out).toBe(`agent_id,host,a,b,c,c\r\nagent1,h1,X'00FF',9007199254740993,,""\r\n`);
    const ndjson = await muster(['query', SQL, '-o', 'ndjson']);
    expect(JSON.parse(ndjson.out)).toMatchObject({
      row: { a: { $blob: 'AP8=' }, b: '9007199254740993', c: null, c_2: '' },
    });
  });

  test('a refused question ends with 1, a wrong option or selector with 2, both with the reason', async () => {
    const problem = (code: string, status: number, detail: string) => ({ code, status, detail, title: 'x', type: 'x' });
    const place = { field: 'sql', line: 1, column: 15, offset: 14 };
    api.json('POST /v1/queries', { ...problem('sql_error', 422, 'no such table: proceses'), ...place }, 422);
    expect(await muster(['query', 'SELECT 1 FROM proceses'])).toMatchObject({
      code: 1,
      out: '',
      err: 'error: no such table: proceses (sql_error)\n  1 | SELECT 1 FROM proceses\n                    ^\n',
    });
    api.json('POST /v1/queries', problem('bad_selector', 400, 'unexpected "?"'), 400);
    expect(await muster(['query', SQL, '-t', '?'])).toMatchObject({ code: 2 });
    for (const args of [
      ['query'],
      ['query', SQL, '-o', 'xml'],
      ['query', SQL, '--nonsense'],
      ['query', SQL, '-f', 'x.sql'],
      ['query', '-f', '/nowhere.sql'],
    ]) {
      expect(await muster(args)).toMatchObject({ code: 2, out: '' });
    }
  });

  test('an unreachable server is reported with a hint', async () => {
    const { code, err } = await muster(['query', SQL], { env: { MUSTER_API_URL: 'http://127.0.0.1:1' } });
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: cannot reach http:\/\/127.0.0.1:1 \(MUSTER_API_URL\): nobody listens there\nhint: `muster doctor`/,
    );
  });
});

describe('an option that nobody would read is refused, before anything is asked', () => {
  test.each([
    [['SELECT 1', '--outcome', 'error'], 'everybody would be asked'],
    [['--retry', QUERY_ID, '--param', 'port=22'], 'the same question'],
    [['--retry', QUERY_ID, '--wait', '1d', '--standing'], 'no --standing'],
    [['SELECT 1', '--detach', '--until', '50%'], 'there is no --until'],
    [['SELECT 1', '--detach', '-o', 'csv'], 'an id alone'],
  ])('%j', async (words, message) => {
    const { code, err } = await muster(['query', ...words]);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    expect(api.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });
});
