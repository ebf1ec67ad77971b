import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { muster } from '../kit/cli.js';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';

/** Real services, brokers and agent on this machine, and the CLI as a process. */
describe.each(['live', 'poll'] as const)('commands on this machine, through the CLI (%s)', (channel) => {
  let harness: Harness;
  let folder: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-commands-'));
    const policy = join(folder, 'modes.json');
    writeFileSync(policy, JSON.stringify({ rules: [{ selector: 'os=linux', mode: channel, interval: '1s' }] }));
    harness = await startHarness({ agent: true, env: { gateway: { MUSTER_GATEWAY_MODE_POLICY_FILE: policy } } });
    await eventually(
      async () => (await harness.api.all('GET /v1/agents'))[0]?.mode === channel,
      'the agent is on its channel',
    );
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts a process whose program has this name, from the test's folder. */
  async function start(name: string): Promise<ChildProcess & { readonly pid: number }> {
    const path = join(folder, name);
    if (!existsSync(path)) copyFileSync('/bin/sleep', path);
    const child = spawn(path, ['300'], { stdio: 'ignore' });
    await once(child, 'spawn');
    children.push(child);
    return child as ChildProcess & { readonly pid: number };
  }

  const cli = (args: readonly string[], input?: string) => muster(harness, args, input);
  const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

  it('abc.exe is found and killed by the rows of the query; a process of that name that started later is not', async () => {
    const [first, second] = [await start('abc.exe'), await start('abc.exe')];
    const found = await cli([
      'query',
      "SELECT pid, start_time, path FROM processes WHERE name = 'abc.exe'",
      '-o',
      'ndjson',
    ]);
    expect(found.code).toBe(0);
    expect(found.stdout.trim().split('\n')).toHaveLength(2);
    const later = await start('abc.exe');

    const dry = await cli(['run', 'process.kill', '--from', '-', '--dry-run', '--wait'], found.stdout);
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.stdout).toContain(String(first.pid));
    expect([first, second, later].map(isAlive)).toEqual([true, true, true]);

    const run = await cli(['run', 'process.kill', '--from', '-', '--yes', '--wait'], found.stdout);
    expect([run.stderr, run.code]).toEqual([run.stderr, 0]);
    expect([first, second, later].map(isAlive)).toEqual([false, false, true]);

    // The same rows again change nothing.
    const again = await cli(['run', 'process.kill', '--from', '-', '--yes', '--wait', '-o', 'ndjson'], found.stdout);
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('unchanged')]);

    // The pid belongs to another process now. Its start time differs by a second, which is the resolution of the row.
    const line = JSON.parse(found.stdout.split('\n')[0] ?? '') as { row: { start_time: number } };
    const row = { ...line.row, pid: later.pid, start_time: line.row.start_time - 60 };
    const moved = JSON.stringify({ ...line, row });
    const refused = await cli(['run', 'process.kill', '--from', '-', '--yes', '--wait', '-o', 'ndjson'], moved);
    expect([refused.code, refused.stdout]).toEqual([3, expect.stringContaining('refused')]);
    expect(isAlive(later)).toBe(true);
  });

  it('all processes of a name are killed by selector', async () => {
    const child = await start('muster-test-adware');
    const run = await cli([
      'run',
      'process.kill',
      'name=muster-test-adware',
      '--target',
      'os=linux',
      '--yes',
      '--wait',
      '-o',
      'ndjson',
    ]);
    expect([run.stderr, run.code]).toEqual([run.stderr, 0]);
    expect(isAlive(child)).toBe(false);
  });

  it('a file is quarantined, and undo restores it unchanged', async () => {
    const path = join(folder, 'dropper.sh');
    writeFileSync(path, '#!/bin/sh\necho bad\n', { mode: 0o750 });
    const run = await cli([
      'run',
      'file.quarantine',
      `path=${path}`,
      '--target',
      'os=linux',
      '--yes',
      '--wait',
      '-o',
      'json',
    ]);
    expect([run.stderr, run.code]).toEqual([run.stderr, 0]);
    expect(existsSync(path)).toBe(false);
    const listed = await harness.api.all('GET /v1/commands', { pageSize: 1 });
    const undone = await cli(['undo', listed[0]?.id ?? '', '--yes', '--wait']);
    expect([undone.stderr, undone.code]).toEqual([undone.stderr, 0]);
    expect(readFileSync(path, 'utf8')).toContain('echo bad');
  });

  it('a TCP connection that a query found is ended, or the machine reports why it cannot', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    const accepted = once(server, 'connection');
    // Not a connection of this process: the agent protects its parent.
    const script = `require('net').connect(${port}, '127.0.0.1').on('error', () => {})`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    children.push(child);
    const closed = once(child, 'exit');
    const [socket] = (await accepted) as [Socket];
    socket.on('error', () => undefined);
    const sql = `SELECT pid, protocol, local_address, local_port, remote_address, remote_port FROM process_open_sockets WHERE pid = ${child.pid} AND remote_port = ${port}`;
    const found = await cli(['query', sql, '-o', 'ndjson']);
    expect(found.stdout.trim().split('\n')).toHaveLength(1);
    const run = await cli(['run', 'connection.kill', '--from', '-', '--yes', '--wait', '-o', 'ndjson'], found.stdout);
    if (run.code === 2) throw new Error(run.stderr);
    const listed = await harness.api.all('GET /v1/commands', { pageSize: 1 });
    const [target] = await harness.api.all('GET /v1/commands/{id}/targets', { params: { id: listed[0]?.id ?? '' } });
    if (run.code === 0) await closed;
    else
      expect([run.code, target?.state, target?.message]).toEqual([
        3,
        'unsupported',
        expect.stringMatching(/kernel|ss/),
      ]);
    socket.destroy();
    server.close();
  });

  it('a request that is not allowed is refused with its reason, and changes nothing', async () => {
    const before = (await harness.api.all('GET /v1/commands', { pageSize: 100 })).length;
    const post = async (body: Readonly<Record<string, unknown>>) => {
      const response = await harness.api.fetch('/v1/commands', { method: 'POST', body });
      const problem = (await response.json()) as { code?: string };
      return [response.status, response.headers.get('content-type')?.split(';')[0], problem.code];
    };
    const problem = 'application/problem+json';
    const target = { selector: 'os=linux' };
    const kill = { action: 'process.kill', params: { name: 'nobody-has-this' }, target };
    expect(await post({ ...kill, action: 'process.maim' })).toEqual([422, problem, 'unknown_action']);
    expect(await post({ ...kill, params: { pid: 'one' } })).toEqual([422, problem, 'bad_params']);
    expect(await post({ ...kill, target: { selector: 'os=windows' } })).toEqual([422, problem, 'no_targets']);
    expect(await post({ ...kill, target: { selector: 'os==,' } })).toEqual([400, problem, 'bad_selector']);
    const approve = await harness.api.fetch('/v1/commands/c01h0000000000000000000000/approve', {
      method: 'POST',
      body: {},
    });
    expect(approve.status).toBe(404);
    expect((await harness.api.all('GET /v1/commands', { pageSize: 100 })).length).toBe(before);

    const once1 = await harness.api.call('POST /v1/commands', { body: kill, idempotencyKey: 'same-key' });
    const once2 = await harness.api.call('POST /v1/commands', { body: kill, idempotencyKey: 'same-key' });
    expect(once2.id).toBe(once1.id);
    expect((await harness.api.all('GET /v1/commands', { pageSize: 100 })).length).toBe(before + 1);
  });

  it('all of it is in an unbroken audit chain', async () => {
    const verified = await cli(['audit', 'verify']);
    expect([verified.stderr, verified.code]).toEqual([verified.stderr, 0]);
    const records = await harness.api.all('GET /v1/audit', { query: { action: 'command' }, pageSize: 1_000 });
    const kinds = new Set(records.map(({ action, outcome }) => `${action} ${outcome}`));
    expect([...kinds].toSorted()).toEqual(
      expect.arrayContaining([
        'command.deliver allowed',
        'command.outcome allowed',
        'command.submit allowed',
        'command.submit refused',
      ]),
    );
  });
});
