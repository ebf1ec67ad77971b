import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandEvent } from '../http/command-json.js';
import { runCli } from '../run.js';
import { AGENT_ID, COMMAND_ID, commandJson, endedCommand, FakeApi, QUERY_ID, targetJson } from '../testing/fake-api.js';
import { fakeTerminal, type FakeTerminalOptions } from '../testing/fake-terminal.js';

let api: FakeApi;
let url: string;
beforeEach(async () => {
  api = new FakeApi();
  url = await api.start();
});
afterEach(() => api.stop());

async function muster(args: string[], options: FakeTerminalOptions = {}) {
  const terminal = fakeTerminal({ ...options, env: { MUSTER_API_URL: url, MUSTER_TOKEN: 't', ...options.env } });
  const code = await runCli(args, terminal);
  return { code, out: terminal.out(), err: terminal.err(), asked: terminal.asked };
}

const KILL = ['run', 'process.kill', 'name=abc.exe', '--target', 'os=linux'];
const posts = (path: string) => api.requests.filter((request) => request.method === 'POST' && request.path === path);
const submits = () => posts('/v1/commands');
const ledger = { targeted: 2, sent: 1, queued: 1 };
const ended = (counts: object, more: object = {}): CommandEvent => ({
  event: 'ended',
  seq: 9,
  command: endedCommand(more, counts),
});

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

  test('who is meant is a selector, ids, or a query; a rollout goes along', async () => {
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

  test('what is wrong with the words is told before anything is asked of the server', async () => {
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

  test('an unknown action and an unknown parameter say what was probably meant', async () => {
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

test('several faults of an order are named each', async () => {
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

describe('the question before it', () => {
  const plan = { targets: 43, connected: 40, unsupported: 2, approval: { why: 'more than 40', role: 'responder' } };

  test('says what, on how many, and goes on after a yes', async () => {
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

  test('a destructive action on more than 100 wants the number typed', async () => {
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

  test('with nobody to ask it is a usage error, before anything is done', async () => {
    api.command(commandJson(), []);
    for (const args of [
      KILL,
      ['run', 'process.kill', '--from', '-'],
      ['undo', COMMAND_ID],
      ['commands', 'approve', COMMAND_ID],
    ]) {
      const result = await muster(args, { input: '{}\n' });
      expect(result).toMatchObject({ code: 2, out: '' });
      expect(result.err).toContain('nobody is at a terminal to confirm this');
      expect(result.err).toContain('--yes');
    }
    expect(api.requests).toEqual([]);
  });

  test('what is shown cannot steer the terminal', async () => {
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

  test('exactly those are acted on, bound to the columns that count; the question goes to the terminal of the process', async () => {
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

  test('one that cannot be used stops all of them, with its line', async () => {
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

  test('without a row there is nothing to do, and that is no error', async () => {
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

  test('more than one command can hold are refused before they are sent', async () => {
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

describe('an answer that is lost', () => {
  test('is asked for again with the same key, so that no second command is made', async () => {
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
        response.writeHead(409, { 'content-type': 'application/problem+json' });
        return void response.end(JSON.stringify({ code: 'conflict', detail: 'under way', retryAfterMs: 1 }));
      }
      response.writeHead(202).end(JSON.stringify(commandJson({ repeated: true })));
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

  test('an answer that is given once more is of then; what is shown is of now', async () => {
    api.command(endedCommand({}, { targeted: 2, succeeded: 2 }), []);
    api.on('POST /v1/commands', (_, response) => {
      response.writeHead(202, { 'idempotency-replayed': 'true' }).end(JSON.stringify(commandJson({}, ledger)));
    });
    const { err } = await muster([...KILL, '--yes', '--idempotency-key', 'ticket-7']);
    expect(err).toContain('on 2 targets; it was ordered before with the same key\n2 succeeded');
  });

  test('a conflict that is no such thing is told at once', async () => {
    api.command(commandJson(), []);
    api.json('POST /v1/commands', { code: 'conflict', status: 409, detail: 'no' }, 409);
    expect(await muster([...KILL, '--yes'])).toMatchObject({ code: 1, err: 'error: no (conflict)\n' });
    expect(submits()).toHaveLength(1);
  });

  test('Ctrl-C while the server thinks says that it may have been accepted, and how to find out', async () => {
    api.command(commandJson(), []);
    const terminal = fakeTerminal({ env: { MUSTER_API_URL: url } });
    api.on('POST /v1/commands', () => terminal.interrupt());
    expect(await runCli([...KILL, '--yes'], terminal)).toBe(130);
    expect(terminal.err()).toMatch(
      /^error: interrupted before the server answered; the command may have been accepted all the same\nhint: `muster commands` .*--idempotency-key [-0-9a-f]{36} makes no second one\n$/,
    );
  });
});

describe('--wait', () => {
  const WAIT = [...KILL, '--yes', '--wait'];
  const failed = targetJson(2, { state: 'failed', code: 'exited', message: 'no such process' });

  test('a line for each outcome as it comes, then the ledger; 0 when all succeeded', async () => {
    api.command(commandJson({}, ledger), [
      { event: 'command', seq: 1, command: commandJson({}, ledger) },
      { event: 'targets', seq: 2, targets: [targetJson(1, { state: 'running', message: '' })] },
      { event: 'targets', seq: 3, targets: [targetJson(1, { message: 'ended 17', effects: ['ended 17'] })] },
      { event: 'ledger', seq: 4, ledger: endedCommand({}, { targeted: 2, succeeded: 1, running: 1 }).ledger },
      { event: 'targets', seq: null, targets: [targetJson(1), targetJson(2, { host: null, message: '' })] },
      ended({ targeted: 2, succeeded: 2 }),
    ]);
    const { code, out, err } = await muster(WAIT);
    expect(out).toBe(`h1                succeeded    ended 17\n${AGENT_ID}  succeeded\n`);
    expect(err).toBe(`${COMMAND_ID}: process.kill name=abc.exe on 2 targets\n2 targeted = 2 succeeded in 1.5 s\n`);
    expect(code).toBe(0);
  });

  test('3 when some did not succeed; of many, the first of those are named again below the ledger', async () => {
    const run = async (count: number, output: string) => {
      const targets = Array.from({ length: count }, (_, i) =>
        targetJson(i + 2, { ...failed, number: i + 2, host: `h${i + 2}` }),
      );
      api.command(commandJson({}, ledger), [
        { event: 'targets', seq: 2, targets: [targetJson(1), ...targets] },
        ended({ targeted: count + 1, succeeded: 1, failed: count }),
      ]);
      return muster([...WAIT, '-o', output]);
    };
    const few = await run(1, 'table');
    expect(few.code).toBe(3);
    expect(few.out).toContain('h2                failed       no such process\n');
    expect(few.err).toMatch(/2 targeted = 1 succeeded \+ 1 failed in 1\.5 s\n$/);
    const many = await run(12, 'table');
    expect(many.err).toContain('13 targeted = 1 succeeded + 12 failed in 1.5 s\nDid not succeed:\n');
    expect(many.err).toMatch(/^h2 {4}abcdefghijklmnopqrstuvwx {2}failed {2}no such process$/m);
    expect(many.err).toMatch(/… and 2 more; `muster commands targets \w+` names all\n$/);
    expect((await run(1, 'ndjson')).err).toContain('Did not succeed:\n');
  });

  test('a stopped rollout says who stopped it and why', async () => {
    const cancel = { by: { id: 's', name: 'the rollout' }, code: 'rollout_aborted', message: '1 of 1 failed', at: '' };
    api.command(commandJson({}, ledger), [ended({ targeted: 2, failed: 1, cancelled: 1 }, { cancel })]);
    const { code, err } = await muster(WAIT);
    expect(code).toBe(3);
    expect(err).toContain('Stopped by the rollout: 1 of 1 failed. 2 targeted = 1 failed + 1 cancelled');
    const silent = { ...cancel, message: '' };
    api.command(commandJson({}, ledger), [ended({ targeted: 2, cancelled: 2 }, { cancel: silent })]);
    expect((await muster(WAIT)).err).toContain('Stopped by the rollout. 2 targeted = 2 cancelled');
  });

  test('a dry run asks nothing, waits, and tells every effect; absent endpoints do not hold it up for a day', async () => {
    const more = { dryRun: true };
    api.command(commandJson(more, ledger), [
      { event: 'targets', seq: 2, targets: [targetJson(1, { message: 'would end 1', effects: ['would end 17'] })] },
      ended({ targeted: 1, succeeded: 1 }, more),
    ]);
    const { code, out, err, asked } = await muster([...KILL, '--dry-run']);
    expect(out).toBe('h1                succeeded    would end 1\n    would end 17\n');
    expect(err).toContain(`${COMMAND_ID}: dry run of process.kill name=abc.exe on 2 targets\n`);
    expect(err).toContain('a dry run, nothing was changed\n');
    expect([code, asked]).toEqual([0, []]);
    expect(submits()[0]?.body).toMatchObject({ dryRun: true, expiresIn: '2m' });
    await muster([...KILL, '--dry-run', '--expires', '1h']);
    expect(submits()[1]?.body).toMatchObject({ expiresIn: '1h' });
  });

  test('what waits for approval says so, and by which command it is given', async () => {
    const more = { status: 'awaiting_approval' as const, approval: { why: '43 targets', role: 'responder' } };
    api.command(commandJson(more, ledger), [ended({ targeted: 2, succeeded: 2 })]);
    const { err } = await muster(WAIT);
    expect(err).toContain(
      `It waits for the approval of another person: 43 targets. \`muster commands approve ${COMMAND_ID}\` gives it.\n`,
    );
  });

  test('the JSON forms hold the outcomes and the command', async () => {
    api.command(commandJson({}, ledger), [
      { event: 'targets', seq: 2, targets: [targetJson(1), failed] },
      ended({ targeted: 2, succeeded: 1, failed: 1 }),
    ]);
    const ndjson = await muster([...WAIT, '-o', 'ndjson']);
    expect(
      ndjson.out
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text) as unknown),
    ).toEqual([targetJson(1), failed]);
    const json = await muster([...WAIT, '-o', 'json']);
    expect(JSON.parse(json.out)).toMatchObject({ outcomes: [targetJson(1), failed], command: { status: 'ended' } });
    api.command(commandJson({}, ledger), [ended({ targeted: 0 })]);
    expect(JSON.parse((await muster([...WAIT, '-o', 'json'])).out)).toMatchObject({ outcomes: [] });
    expect(JSON.parse((await muster([...KILL, '-y', '-o', 'json'])).out)).toMatchObject({ id: COMMAND_ID });
  });

  test('goes on after the last event it saw when the connection breaks, and tells no outcome twice', async () => {
    api.command(commandJson({}, ledger), []);
    let opened = 0;
    api.on(`GET /v1/commands/${COMMAND_ID}/events`, ({ headers }, response) => {
      opened += 1;
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const send = (event: CommandEvent) => `${JSON.stringify(event)}\n`;
      if (opened === 1) {
        response.write(send({ event: 'targets', seq: 7, targets: [targetJson(1)] }), () => response.destroy());
        return;
      }
      expect(headers['last-event-id']).toBe('7');
      response.write(send({ event: 'targets', seq: 8, targets: [targetJson(1), targetJson(2)] }));
      response.end(send(ended({ targeted: 2, succeeded: 2 })));
    });
    const { code, out } = await muster(WAIT);
    expect([code, opened]).toEqual([0, 2]);
    expect(out.match(/^h\d /gm)).toEqual(['h1 ', 'h2 ']);
  });

  test('Ctrl-C ends the watching at once, leaves the command alone, and says how to stop it', async () => {
    api.command(commandJson({}, ledger), []);
    const terminal = fakeTerminal({ env: { MUSTER_API_URL: url } });
    api.on(`GET /v1/commands/${COMMAND_ID}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const event: CommandEvent = { event: 'targets', seq: 2, targets: [targetJson(1)] };
      response.write(`${JSON.stringify(event)}\n`, () => terminal.interrupt());
    });
    expect(await runCli([...WAIT, '-o', 'json'], terminal)).toBe(130);
    expect(JSON.parse(terminal.out())).toMatchObject({ command: { id: COMMAND_ID, status: 'running' } });
    expect(terminal.err()).toContain(`\`muster commands cancel ${COMMAND_ID}\` stops what can still be stopped.\n`);
    expect(api.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    // A second one is the system's: nobody holds it up any more.
    expect(terminal.listeners()).toBe(0);
  });

  test('when the reader of the output goes away the command goes on, and that is said', async () => {
    const targets = Array.from({ length: 50 }, (_, i) => targetJson(i + 1));
    api.command(commandJson({}, ledger), [
      ...targets.map((target, i): CommandEvent => ({ event: 'targets', seq: i + 1, targets: [target] })),
      ended({ targeted: 50, succeeded: 50 }),
    ]);
    const { code, err } = await muster(WAIT, { closeAfter: 3 });
    expect(code).toBe(141);
    expect(err).toContain('process.kill goes on');
    expect(api.requests.at(-1)?.method).toBe('GET');
  });

  test('what endpoints say cannot steer the terminal, in any form of output', async () => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202egnp.exe\n';
    const target = { host: evil, message: evil, code: evil, effects: [evil] };
    const command = { dryRun: true, reason: evil, params: { name: evil }, target: evil };
    for (const output of ['table', 'json', 'ndjson']) {
      api.command(commandJson(command, ledger), [
        { event: 'targets', seq: 1, targets: [targetJson(1, target), targetJson(2, { ...target, state: 'failed' })] },
        ended({ targeted: 2, succeeded: 1, failed: 1 }, command),
      ]);
      const { out, err } = await muster([...WAIT, '-o', output], { isTTY: true, columns: 400, env: { NO_COLOR: '1' } });
      // eslint-disable-next-line no-control-regex
      expect((out + err).replaceAll('\r\u001b[K', '')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });

  test('colours are for a terminal; lines fit it', async () => {
    api.command(commandJson({}, ledger), [
      { event: 'targets', seq: 1, targets: [targetJson(1, { message: 'x'.repeat(200) }), failed] },
      ended({ targeted: 2, succeeded: 1, failed: 1 }),
    ]);
    const { out } = await muster(WAIT, { isTTY: true, columns: 60 });
    expect(out).toContain('\u001b[32msucceeded  \u001b[0m');
    expect(out).toContain('\u001b[31mfailed     \u001b[0m');
    // eslint-disable-next-line no-control-regex
    expect(out.split('\n')[0]?.replaceAll(/\u001b\[\d+m/g, '')).toHaveLength(60);
    expect((await muster(WAIT)).out).not.toContain('\u001b');
  });
});
