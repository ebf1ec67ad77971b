import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID, COMMAND_ID, commandJson, endedCommand, QUERY_ID } from '../testing/fake-api.js';

const { api, muster, terminal: openTerminal } = cliHarness({ MUSTER_TOKEN: 't' });

const KILL = ['run', 'process.kill', 'name=abc.exe', '--target', 'os=linux'];
const posts = (path: string) => api.requests.filter((request) => request.method === 'POST' && request.path === path);
const submits = () => posts('/v1/commands');
const ledger = { targeted: 2, sent: 1, queued: 1 };

describe('muster run', () => {
  test('without --wait: the id on stdout, what was accepted on stderr, and 0', async () => {
    api.command(commandJson({}, ledger), []);
    const result = await muster([...KILL, '--yes', '--expires', '1h', '--timeout', '9s', '--reason', 'adware']);
    expect(result).toMatchObject({ code: 0, out: `${COMMAND_ID}\n`, asked: [] });
    expect(result.err).toBe(
      `${COMMAND_ID}: process.kill name=abc.exe on 2 targets\n` +
        '1 queued, 1 sent; valid until 2026-01-02 00:00 UTC.\n' +
        `\`muster commands watch ${COMMAND_ID}\` shows what becomes of it.\n`,
    );
    expect(submits()).toHaveLength(1);
    expect(submits()[0]?.body).toEqual({
      action: 'process.kill',
      params: { name: 'abc.exe' },
      target: { selector: 'os=linux' },
      dryRun: false,
      expiresIn: '1h',
      timeout: '9s',
      reason: 'adware',
    });
  });

  test('targets are a selector, ids, or a query; a rollout is passed on', async () => {
    api.command(commandJson(), []);
    const run = ['run', 'process.kill', 'name=x', '-y'];
    for (const [args, target] of [
      [['--target', ''], { selector: '' }],
      [['--agents', `${AGENT_ID}, ${AGENT_ID}`], { agentIds: [AGENT_ID] }],
      [['--query', QUERY_ID], { query: QUERY_ID }],
    ] as const) {
      expect(await muster([...run, ...args, '--rollout', 'canary=2,step=10%'])).toMatchObject({ code: 0 });
      expect(submits().at(-1)?.body).toMatchObject({ target, rollout: { canary: 2, step: '10%' } });
    }
  });

  test('usage errors are found before any request', async () => {
    for (const args of [
      ['run'],
      ['run', 'process.kill', 'name=x', '-y'],
      [...KILL, '-y', '--agents', AGENT_ID],
      ['run', 'process.kill', 'name=x', '-y', '--query', 'nonsense'],
      [...KILL, '-y', '--rollout', 'fast'],
      [...KILL, '-y', '-o', 'csv'],
    ])
      expect(await muster(args)).toMatchObject({ code: 2, out: '' });
    expect(api.requests).toEqual([]);
  });

  test('a typo is told before a terminal is missed', async () => {
    api.command(commandJson(), []);
    const { code, err } = await muster(['run', 'process.kil', 'name=x', '--target', '']);
    expect(code).toBe(2);
    expect(err).toMatch(/process\.kill/);
    expect(err).not.toContain('terminal');
  });

  test('for an unknown action or parameter a similar one is suggested', async () => {
    api.command(commandJson(), []);
    const action = await muster(['run', 'proces.kill', '-t', 'x', '-y']);
    expect(action).toMatchObject({
      code: 2,
      err: 'error: there is no action "proces.kill"\nhint: did you mean process.kill?\n',
    });
    const param = await muster(['run', 'process.kill', 'nam=x', '-t', 'x', '-y']);
    expect(param.code).toBe(2);
    expect(param.err).toContain('no parameter "nam"; did you mean name?');
    expect(await muster(['run', 'process.kill', 'name=x', '--agents', 'web-1', '-y'])).toMatchObject({ code: 2 });
    expect(submits()).toEqual([]);
  });

  test.each([
    ['bad_params', 422, 2],
    ['bad_rollout', 422, 2],
    ['bad_selector', 400, 2],
    ['no_targets', 422, 1],
    ['too_many_targets', 403, 1],
  ])('a refusal with %s ends with the reason', async (code, status, exit) => {
    api.command(commandJson(), []);
    api.json('POST /v1/commands', { code, status, detail: 'the reason' }, status);
    expect(await muster([...KILL, '-y'])).toMatchObject({ code: exit, err: `error: the reason (${code})\n`, out: '' });
    expect(submits()).toHaveLength(1);
  });
});

test('each of several faults of a command is named', async () => {
  api.command(commandJson(), []);
  const faults = [
    { pointer: '#/params/pid', fault: 'a number' },
    { pointer: '#/target/rows/3/row', fault: 'bad\u001b' },
  ];
  api.json('POST /v1/commands', { code: 'bad_params', detail: 'process.kill: 2 faults', faults }, 422);
  expect((await muster([...KILL, '-y'])).err).toBe(
    'error: process.kill: 2 faults (bad_params)\n  params.pid: a number\n  target.rows.3.row: bad\\e\n',
  );
});

describe('the confirmation', () => {
  const plan = {
    targets: 43,
    connected: 40,
    unsupported: 2,
    approval: { why: 'more than 40', role: 'responder' as const },
  };

  test('shows the action and the targets, and continues after a yes', async () => {
    api.command(commandJson(), [], plan);
    const { code, asked } = await muster(KILL, { isTTY: true, answers: ['y'] });
    expect(code).toBe(0);
    expect(asked).toEqual([
      {
        at: 'input',
        question:
          'process.kill name=abc.exe: Ends a process\n' +
          'on 43 targets (os=linux): 40 connected, 3 when they return, 2 cannot do it\n' +
          'It is destructive, and cannot be taken back.\n' +
          'Another person must approve it: more than 40.\n' +
          'Go on? [y/N] ',
      },
    ]);
    expect(posts('/v1/commands/plan')[0]?.body).toEqual(submits()[0]?.body);
  });

  test.each([[['n']], [['']], [[]], [['yes please']]])('after %j nothing is submitted', async (answers) => {
    api.command(commandJson(), [], plan);
    const result = await muster(KILL, { isTTY: true, answers });
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(result.err).toContain('not confirmed; nothing was submitted');
    expect(submits()).toEqual([]);
  });

  test('a destructive action on more than 100 targets requires typing their number', async () => {
    api.command(commandJson(), [], { targets: 1_500, connected: 1_500 });
    for (const [answer, code] of [
      ['y', 1],
      ['150', 1],
      ['1500', 0],
      ['1,500', 0],
    ] as const) {
      const result = await muster(KILL, { isTTY: true, answers: [answer] });
      expect([answer, result.code]).toEqual([answer, code]);
      expect(result.asked[0]?.question).toMatch(/Type the number of targets \(1500\) to go on: $/);
    }
    const mild = await muster(['run', 'agent.set_labels', 'set=a=b', '-t', ''], { isTTY: true, answers: ['y'] });
    expect(mild.code).toBe(0);
    expect(mild.asked[0]?.question).toContain('on 1,500 targets (every endpoint): 1,500 connected\n');
  });

  test('without a terminal it is a usage error, before anything is submitted', async () => {
    api.command(commandJson(), []);
    const row = { agentId: AGENT_ID, host: 'h', row: { pid: 1, start_time: 2 } };
    for (const args of [
      KILL,
      ['run', 'process.kill', '--from', '-'],
      ['undo', COMMAND_ID],
      ['commands', 'approve', COMMAND_ID],
    ]) {
      const result = await muster(args, { input: `${JSON.stringify(row)}\n` });
      expect(result).toMatchObject({ code: 2, out: '' });
      expect(result.err).toContain('nobody is at a terminal to confirm this');
      expect(result.err).toContain('--yes');
    }
    expect(api.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  test('the text shown cannot control the terminal', async () => {
    api.command(commandJson(), [], plan);
    const row = { pid: 17, start_time: 1, path: '\u001b[2J/x' };
    const input = JSON.stringify({ agentId: AGENT_ID, host: '\u202ecod.exe', row });
    const { asked } = await muster(['run', 'process.kill', '--from', '-'], { isTTY: true, answers: ['y'], input });
    expect(asked[0]?.question).toContain('  \\u202ecod.exe: pid=17 start_time=1 path=\\e[2J/x\n');
    // eslint-disable-next-line no-control-regex
    expect(asked[0]?.question).not.toMatch(/[\u001b\u202e]/);
  });
});

describe('rows', () => {
  const row = (pid: number) =>
    `${JSON.stringify({ agentId: AGENT_ID, host: 'h1', row: { pid, start_time: 5, cmdline: 'secret' } })}\n`;
  const FROM = ['run', 'process.kill', 'signal=TERM', '--from', '-'];

  test('exactly those are acted on, bound to the compared columns; the prompt is at the controlling terminal', async () => {
    api.command(commandJson(), [], { targets: 2, connected: 2 });
    const result = await muster(FROM, { answers: ['y'], input: row(1) + row(2) + row(1) });
    expect(result).toMatchObject({ code: 0, out: `${COMMAND_ID}\n` });
    expect(result.asked.map(({ at }) => at)).toEqual(['controlling']);
    expect(result.asked[0]?.question).toContain('on 2 targets (2 rows of 1 endpoint): 2 connected\n');
    expect(result.err).toContain('1 row came twice and counts once\n');
    expect(submits()[0]?.body).toMatchObject({
      params: { signal: 'TERM' },
      target: { rows: [1, 2].map((pid) => ({ agentId: AGENT_ID, row: { pid, start_time: 5 } })) },
    });
    expect(JSON.stringify(submits()[0]?.body)).not.toContain('secret');
  });

  test('one unusable row stops all of them, and its line is named', async () => {
    api.command(commandJson(), []);
    const result = await muster([...FROM, '-y'], { input: `${row(1)}{"host":"h2","row":{}}\n` });
    expect(result).toMatchObject({
      code: 2,
      out: '',
      err:
        'error: 1 of 2 rows cannot be used, so nothing was submitted\n' +
        '  line 2: no agentId: it does not say which endpoint it is of\n',
    });
    expect(submits()).toEqual([]);
  });

  test('no rows are no error', async () => {
    api.command(commandJson(), []);
    for (const more of [['-y'], ['-y', '--wait', '-o', 'json'], ['--dry-run']]) {
      expect(await muster([...FROM, ...more], { input: '\n' })).toEqual({
        code: 0,
        out: '',
        err: 'there are no rows, so there is nothing to do\n',
        asked: [],
      });
    }
    expect(submits()).toEqual([]);
  });

  test('more rows than one command can hold are refused before they are sent', async () => {
    api.command(commandJson(), []);
    const input = Array.from({ length: 5_001 }, (_, i) => row(i + 1)).join('');
    const result = await muster([...FROM, '-y'], { input });
    expect([result.code, result.err]).toEqual([
      2,
      'error: one command acts on at most 5,000 rows, and these are 5,001 rows\nhint: ask for less, or divide them\n',
    ]);
    expect(submits()).toEqual([]);
  });

  test('a file is read too', async () => {
    api.command(commandJson(), []);
    const folder = mkdtempSync(join(tmpdir(), 'muster-cli-'));
    try {
      const path = join(folder, 'rows.ndjson');
      writeFileSync(path, row(7));
      const found = await muster(['run', 'process.kill', '--from', path], { isTTY: true, answers: ['y'] });
      expect([found.code, found.asked[0]?.at]).toEqual([0, 'input']);
      expect(submits()[0]?.body).toMatchObject({ target: { rows: [{ row: { pid: 7 } }] } });
      expect(await muster(['run', 'process.kill', '-y', '--from', join(folder, 'none')])).toMatchObject({ code: 2 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a lost answer', () => {
  test('is requested again with the same key, so that no second command is made', async () => {
    api.command(commandJson(), []);
    let asked = 0;
    api.on('POST /v1/commands', (_, response) => {
      asked += 1;
      if (asked === 1) return void response.destroy();
      if (asked === 2) {
        response.writeHead(503, { 'content-type': 'application/problem+json' });
        return void response.end(JSON.stringify({ code: 'timeout', detail: 'late', retryable: true }));
      }
      if (asked === 3) {
        response.writeHead(409, { 'content-type': 'application/problem+json', 'retry-after': '0' });
        return void response.end(JSON.stringify({ code: 'conflict', detail: 'under way' }));
      }
      response.writeHead(202).end(JSON.stringify({ ...commandJson(), repeated: true }));
    });
    const result = await muster([...KILL, '--yes']);
    expect(result).toMatchObject({ code: 0, out: `${COMMAND_ID}\n` });
    expect(result.err).not.toContain('ordered before');
    const keys = submits().map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
    expect(new Set(submits().map(({ body }) => JSON.stringify(body))).size).toBe(1);
    await muster([...KILL, '--yes']);
    expect(submits().at(-1)?.headers['idempotency-key']).not.toBe(keys[0]);
    const named = await muster([...KILL, '--yes', '--idempotency-key', 'ticket-7']);
    expect(submits().at(-1)?.headers['idempotency-key']).toBe('ticket-7');
    expect(named.err).toContain('it was ordered before with the same key');
  });

  test('a replayed answer is old; the current state is shown', async () => {
    api.command(endedCommand({}, { targeted: 2, succeeded: 2 }), []);
    api.on('POST /v1/commands', (_, response) => {
      response.writeHead(202, { 'idempotency-replayed': 'true' }).end(JSON.stringify(commandJson({}, ledger)));
    });
    const { err } = await muster([...KILL, '--yes', '--idempotency-key', 'ticket-7']);
    expect(err).toContain('on 2 targets; it was ordered before with the same key\n2 succeeded');
  });

  test('when every answer says that nothing was done, that is the message', async () => {
    api.command(commandJson(), []);
    api.on('POST /v1/commands', (_, response) => {
      response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '0' });
      response.end(JSON.stringify({ code: 'broker_unavailable', detail: 'nothing was done', carriedOut: false }));
    });
    const { code, err } = await muster([...KILL, '--yes']);
    expect([code, err]).toEqual([1, expect.stringMatching(/: nothing was done \(broker_unavailable\)\n$/)]);
  });

  test('when an earlier answer was lost, a refusal does not hide that it may have been accepted', async () => {
    api.command(commandJson(), []);
    let asked = 0;
    api.on('POST /v1/commands', (_, response) => {
      asked += 1;
      if (asked === 1) return void response.destroy();
      response.writeHead(401, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ code: 'token_expired', detail: 'the token has expired' }));
    });
    const { code, err } = await muster([...KILL, '--yes']);
    expect([code, err]).toEqual([1, expect.stringContaining('the command may have been accepted all the same')]);
  });

  test('a conflict without Retry-After is reported at once', async () => {
    api.command(commandJson(), []);
    api.json('POST /v1/commands', { code: 'conflict', status: 409, detail: 'no' }, 409);
    expect(await muster([...KILL, '--yes'])).toMatchObject({ code: 1, err: 'error: no (conflict)\n' });
    expect(submits()).toHaveLength(1);
  });

  test('after Ctrl-C during the submit the message tells that it may have been accepted', async () => {
    api.command(commandJson(), []);
    const terminal = openTerminal();
    api.on('POST /v1/commands', () => terminal.interrupt());
    expect(await runCli([...KILL, '--yes'], terminal)).toBe(130);
    expect(terminal.err()).toMatch(
      /^error: interrupted before the server answered; the command may have been accepted all the same\nhint: `muster commands` .*--idempotency-key [-0-9a-f]{36} makes no second one\n$/,
    );
  });
});
