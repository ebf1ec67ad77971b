import { describe, expect, test } from '@jest/globals';
import type { CommandEvent } from '@muster/api-contract';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID, COMMAND_ID, commandJson, endedCommand, targetJson } from '../testing/fake-api.js';

const { api, muster, terminal: openTerminal } = cliHarness({ MUSTER_TOKEN: 't' });

const KILL = ['run', 'process.kill', 'name=abc.exe', '--target', 'os=linux'];
const submits = () => api.requests.filter(({ method, path }) => method === 'POST' && path === '/v1/commands');
const ledger = { targeted: 2, sent: 1, queued: 1 };
const ended = (counts: object, more: object = {}): CommandEvent => ({
  event: 'ended',
  seq: 9,
  command: endedCommand(more, counts),
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

  test('3 when some did not succeed; of many, the first are named again below the ledger', async () => {
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

  test('for a stopped rollout the summary names who stopped it and why', async () => {
    const cancel = { by: { id: 's', name: 'the rollout' }, code: 'rollout_aborted', message: '1 of 1 failed', at: '' };
    api.command(commandJson({}, ledger), [ended({ targeted: 2, failed: 1, cancelled: 1 }, { cancel })]);
    const { code, err } = await muster(WAIT);
    expect(code).toBe(3);
    expect(err).toContain('Stopped by the rollout: 1 of 1 failed. 2 targeted = 1 failed + 1 cancelled');
    const silent = { ...cancel, message: '' };
    api.command(commandJson({}, ledger), [ended({ targeted: 2, cancelled: 2 }, { cancel: silent })]);
    expect((await muster(WAIT)).err).toContain('Stopped by the rollout. 2 targeted = 2 cancelled');
  });

  test('a dry run needs no confirmation, waits, and prints every effect; it expires soon', async () => {
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

  test('a command that waits for approval is reported with the command that gives it', async () => {
    const more = { status: 'awaiting_approval' as const, approval: { why: '43 targets', role: 'responder' as const } };
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

  test('continues after the last event when the connection breaks, and prints no outcome twice', async () => {
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

  test('Ctrl-C ends the watching at once, not the command, and prints how to stop it', async () => {
    api.command(commandJson({}, ledger), []);
    const terminal = openTerminal();
    api.on(`GET /v1/commands/${COMMAND_ID}/events`, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const event: CommandEvent = { event: 'targets', seq: 2, targets: [targetJson(1)] };
      response.write(`${JSON.stringify(event)}\n`, () => terminal.interrupt());
    });
    expect(await runCli([...WAIT, '-o', 'json'], terminal)).toBe(130);
    expect(JSON.parse(terminal.out())).toMatchObject({ command: { id: COMMAND_ID, status: 'running' } });
    expect(terminal.err()).toContain(`\`muster commands cancel ${COMMAND_ID}\` stops what can still be stopped.\n`);
    expect(api.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    // A second Ctrl-C ends the process: there is no listener any more.
    expect(terminal.listeners()).toBe(0);
  });

  test('when the reader of the output goes away the command continues, with a note', async () => {
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

  test('text of endpoints cannot control the terminal, in any output form', async () => {
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
