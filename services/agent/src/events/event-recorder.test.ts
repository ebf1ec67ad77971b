import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bytesOfText, type SqlValue } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { LinuxTables, type QueryResult } from '../testing/local-tables.js';
import { OwnTracefs } from '../testing/own-tracefs.js';
import { EventRecorder, type EventRecorderOptions } from './event-recorder.js';
import { ProcessLook } from './process-look.js';

const missing = OwnTracefs.missing();
if (missing !== undefined) process.stderr.write(`skipped: no events of a kernel: ${missing}\n`);
const withTracefs = missing === undefined ? describe : describe.skip;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Recording {
  query(sql: string): QueryResult;
  rows(sql: string): Record<string, SqlValue>[];
  warnings(sql: string): string[];
}

async function ask(recorder: EventRecorder | undefined): Promise<Recording> {
  const tables = await LinuxTables.open('/', { events: () => recorder?.snapshot() });
  cleanups.push(() => tables.close());
  const query = (sql: string): QueryResult => tables.query(sql);
  return {
    query,
    rows(sql) {
      const { result, rows } = query(sql);
      expect(result).toMatchObject({ ok: true });
      return rows;
    },
    warnings(sql) {
      const { result } = query(sql);
      return 'warnings' in result ? (result.warnings ?? []).map(({ code, message }) => `${code}: ${message}`) : [];
    },
  };
}

withTracefs('events of this kernel', () => {
  let tracefs: OwnTracefs;
  let folder: string;
  beforeEach(() => {
    tracefs = new OwnTracefs();
    tracefs.mount();
    cleanups.push(() => tracefs.end());
    folder = mkdtempSync(join(tmpdir(), 'muster-events-'));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  });

  async function record(options: Partial<EventRecorderOptions> = {}): Promise<Recording> {
    const recorder = new EventRecorder({
      ...{ kinds: ['process', 'socket'], keepMs: 600_000, maxBytes: 4 * 1024 * 1024 },
      place: { tracing: tracefs.path, name: `muster-agent-test-${process.pid}` },
      ...{ clock: systemClock, logger: silentLogger },
      ...options,
    });
    recorder.start();
    cleanups.push(() => recorder.stop());
    return ask(recorder);
  }

  function run(program: string, args: readonly string[] = [], options = {}): ChildProcess {
    const child = spawn(program, args, { stdio: 'ignore', ...options });
    cleanups.push(() => child.kill('SIGKILL'));
    return child;
  }

  test('a program has a row, with what is seen of it while it runs, and its end', async () => {
    const events = await record();
    const before = Math.floor(Date.now() / 1_000);
    const child = run('/bin/sleep', ['987'], { cwd: folder, uid: 65_534, gid: 65_533 });
    const sql = `SELECT * FROM process_events WHERE pid = ${child.pid}`;
    const [row] = await eventually(() => {
      const rows = events.rows(sql);
      return rows[0]?.['cmdline'] === '/bin/sleep 987' && rows;
    });
    expect(row).toMatchObject({
      ...{ path: '/bin/sleep', cwd: folder, parent: process.pid, syscall: 'execve' },
      ...{ uid: 65_534, euid: 65_534, suid: 65_534, gid: 65_533, egid: 65_533, mode: null },
    });
    expect(Math.abs(Number(row!['time']) - before)).toBeLessThanOrEqual(60);
    const exit = `SELECT exit_time, cmdline_size, overflows FROM process_events WHERE pid = ${child.pid}`;
    expect(events.rows(exit)).toEqual([{ exit_time: null, cmdline_size: 15, overflows: '' }]);
    child.kill();
    await once(child, 'exit');
    expect(Number(events.rows(exit)[0]!['exit_time'])).toBeGreaterThanOrEqual(before);
  });

  test('one that has ended before anybody looked has its row, and NULL for what is not known', async () => {
    const events = await record();
    const { pid } = spawnSync('/bin/true', ['secret']);
    // Nothing else ran in this process since: the kernel has kept it for us.
    expect(
      events.rows(`SELECT path, cmdline, uid, parent, exit_time > 0 AS ended FROM process_events WHERE pid = ${pid}`),
    ).toEqual([{ path: '/bin/true', cmdline: null, uid: null, parent: null, ended: 1 }]);
  });

  test('names with line ends, and bytes that are no text, forge nothing', async () => {
    const events = await record();
    const names = [
      'x\n  sh-1 [000] ..... 1.0: sched_process_exec: filename=forged pid=1 old_pid=1\n',
      'b\uefff\ueffe.bin',
      ' spaces and "quotes" ',
      '\u0001\u001b[2J',
    ];
    for (const name of names) {
      const path = bytesOfText(join(folder, name));
      copyFileSync('/bin/true', path);
      chmodSync(path, 0o755);
    }
    // Node has no bytes in the names of programs.
    const script = 'cd "$1" && for file in * " "*; do "$1/$file"; done';
    spawnSync('/bin/sh', ['-c', script, 'sh', folder]);
    const found = events.rows(`SELECT path FROM process_events WHERE path LIKE '${folder}/%'`);
    expect(new Set(found.map(({ path }) => path))).toEqual(new Set(names.map((name) => join(folder, name))));
    expect(
      events.rows(
        "SELECT * FROM process_events WHERE path = 'forged' OR path LIKE '%: filename=%' AND path NOT LIKE '/%'",
      ),
    ).toEqual([]);
  });

  test('long arguments are cut, and the answer says so', async () => {
    const events = await record();
    const child = run('/bin/sh', ['-c', 'sleep 987 & wait', 'x'.repeat(50_000)]);
    const sql = `SELECT length(cmdline) AS kept, cmdline_size, overflows FROM process_events WHERE pid = ${child.pid}`;
    const rows = await eventually(() => {
      const rows = events.rows(sql);
      return rows[0]?.['kept'] !== null && rows.length > 0 && rows;
    });
    expect(rows).toEqual([{ kept: 4_096, cmdline_size: 50_000 + 29, overflows: 'cmdline' }]);
    expect(events.warnings(sql).join()).toContain(`cut: arguments of process ${child.pid}`);
    spawnSync('pkill', ['-P', String(child.pid)]);
  });

  test('a connection has its attempt with who made it, its acceptance and its end', async () => {
    const events = await record();
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    const local = client.localPort;
    client.resume();
    await once(client, 'close');
    server.close();
    const own = `(local_port = ${port} OR remote_port = ${port}) AND family = 2`;
    const rows = await eventually(() => {
      const rows =
        events.rows(`SELECT action, pid, path, status, success, local_address, local_port, remote_address, remote_port, protocol
        FROM socket_events WHERE ${own} ORDER BY eid`);
      return rows.filter(({ action }) => action === 'close').length >= 3 && rows[0]?.['path'] !== null && rows;
    });
    const here = { local_address: '127.0.0.1', status: 'succeeded', success: 1, protocol: 6 };
    const by = { pid: process.pid, path: process.execPath };
    const nobody = { pid: null, path: null };
    expect(rows.slice(0, 3)).toEqual([
      { ...here, ...by, action: 'listen', local_port: port, remote_address: '0.0.0.0', remote_port: 0 },
      { ...here, ...by, action: 'connect', local_port: local, remote_address: '127.0.0.1', remote_port: port },
      { ...here, ...nobody, action: 'accept', local_port: port, remote_address: '127.0.0.1', remote_port: local },
    ]);
    expect(rows.slice(3)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ ...nobody, action: 'close' })),
    );
    // Nobody listens there any more.
    const refused = connect(port, '::1');
    await once(refused, 'error');
    expect(
      events.rows(
        `SELECT action, status, success, remote_address, old_state, new_state FROM socket_events WHERE remote_port = ${port} AND family = 10`,
      ),
    ).toEqual([
      {
        action: 'connect',
        status: 'failed',
        success: 0,
        remote_address: '::1',
        old_state: 'CLOSE',
        new_state: 'SYN_SENT',
      },
    ]);
  });

  test('a program that has connected and started another one is not told as that one', async () => {
    const events = await record();
    const server = createServer((socket) => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const child = run('/bin/bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}; exec /bin/sleep 987`]);
    const program = `SELECT cmdline FROM process_events WHERE pid = ${child.pid} AND path = '/bin/sleep'`;
    await eventually(() => events.rows(program)[0]?.['cmdline'] === '/bin/sleep 987');
    // One that came later has been looked up: so has that one.
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    const connects = `SELECT pid, path FROM socket_events WHERE remote_port = ${port} AND action = 'connect' ORDER BY eid`;
    const rows = await eventually(() => {
      const found = events.rows(connects);
      return found[1]?.['path'] === process.execPath && found;
    });
    expect(rows[0]).toEqual({ pid: child.pid, path: null });
    client.destroy();
    child.kill();
    await once(child, 'exit');
    server.close();
  });

  test('a recording that a fault has ended begins again, says so, and keeps what it had', async () => {
    const clock = new FakeClock();
    const events = await record({ clock, kinds: ['process'] });
    const child = run('/bin/sleep', ['987']);
    await once(child, 'spawn');
    const ofChild = `SELECT path, exit_time, eid FROM process_events WHERE pid = ${child.pid}`;
    const [before] = events.rows(ofChild);
    expect(before).toMatchObject({ path: '/bin/sleep', exit_time: null });
    // What its files lead to is gone for a moment.
    expect(spawnSync('umount', ['-l', tracefs.path]).status).toBe(0);
    const refused = { code: 'unavailable', message: expect.stringContaining('cannot be recorded') };
    expect(events.query(ofChild).result).toMatchObject(refused);
    clock.advance(15_000);
    expect(events.query(ofChild).result).toMatchObject(refused);
    tracefs.mount();
    expect(events.query(ofChild).result).toMatchObject(refused);
    const missed = spawnSync('/bin/true').pid;
    clock.advance(25_000);
    const { pid } = spawnSync('/bin/true');
    expect(events.rows(`SELECT pid FROM process_events WHERE pid IN (${missed}, ${pid})`)).toEqual([{ pid }]);
    expect(events.warnings('SELECT pid FROM process_events')).toEqual([
      expect.stringContaining('missed: recording began only at'),
    ]);
    // Another one may have its process id by now.
    child.kill();
    await once(child, 'exit');
    expect(events.rows(ofChild)).toEqual([before]);
  });

  test('one that could not begin is tried again, and says once why not', async () => {
    const clock = new FakeClock();
    const tracing = join(folder, 'later');
    const faults: unknown[] = [];
    const logger = { ...silentLogger, warn: (...said: unknown[]) => void faults.push(said) };
    const events = await record({ clock, logger, place: { tracing, name: `muster-agent-test-${process.pid}` } });
    clock.advance(3_600_000);
    expect(events.query('SELECT pid FROM process_events').result).toMatchObject({ code: 'unavailable' });
    expect(faults).toHaveLength(1);
    symlinkSync(tracefs.path, tracing);
    clock.advance(605_000);
    const { pid } = spawnSync('/bin/true');
    expect(events.rows(`SELECT pid FROM process_events WHERE pid = ${pid}`)).toEqual([{ pid }]);
  });

  test('what comes faster than it is read is counted, and the answer says so', async () => {
    const events = await record({ bufferKb: 8 });
    // This process waits, and reads nothing meanwhile.
    spawnSync('/bin/sh', ['-c', 'i=0; while [ $i -lt 400 ]; do /bin/true; i=$((i + 1)); done']);
    const sql = 'SELECT count(*) AS rows FROM process_events';
    const [said] = events.warnings(sql);
    expect(said).toMatch(/^missed: of the last 10 minutes events are missing: \d+ came faster than they were read/);
    // Two of each: start and end.
    const lost = Number(/: (\d+) came/.exec(said!)![1]);
    // How many depends on how busy the machine is.
    expect(lost).toBeGreaterThan(0);
    expect(lost + 2 * Number(events.rows(sql)[0]!['rows'])).toBeGreaterThan(750);
  });

  test('the oldest go for newer ones, which is counted too', async () => {
    const events = await record({ kinds: ['process'], maxBytes: 16 * 1024 });
    for (let round = 0; round < 3; round += 1) {
      spawnSync('/bin/sh', ['-c', 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done']);
      events.rows('SELECT 1 FROM process_events');
    }
    expect(events.warnings('SELECT pid FROM process_events')[0]).toMatch(/missing: \d+ had to go for newer ones/);
  });

  test('many connections do not drive out the programs', async () => {
    const events = await record({ maxBytes: 64 * 1024 });
    const { pid } = spawnSync('/bin/true');
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    for (let count = 0; count < 120; count += 1) await once(connect(port, '127.0.0.1').resume(), 'close');
    server.close();
    await eventually(() => /had to go for newer ones/.test(events.warnings('SELECT eid FROM socket_events')[0] ?? ''));
    expect(events.rows(`SELECT path FROM process_events WHERE pid = ${pid}`)).toEqual([{ path: '/bin/true' }]);
  });

  test('a table of a kind that is not recorded says so, and so does one of a machine that cannot', async () => {
    const events = await record({ kinds: ['process'] });
    expect(events.query('SELECT * FROM socket_events').result).toMatchObject({
      ...{ ok: false, code: 'unavailable' },
      message: expect.stringMatching(/socket_events: this endpoint records no events of this kind/),
    });
    expect(events.rows('SELECT count(*) > 0 AS n FROM process_events')).toHaveLength(1);
    const lost = await record({ place: { tracing: join(folder, 'none'), name: 'x' } });
    expect(lost.query('SELECT * FROM process_events').result).toMatchObject({
      message: expect.stringMatching(/process_events: events cannot be recorded on this endpoint: ENOENT/),
    });
    const off = await ask(undefined);
    expect(off.query('SELECT * FROM process_events').result).toMatchObject({
      message: expect.stringMatching(/process_events: this endpoint records no events/),
    });
  });

  test('an instance that was left is replaced, and one that another process reads is not', async () => {
    const name = `muster-agent-test-${process.pid}`;
    const left = join(tracefs.path, 'instances', name);
    mkdirSync(left);
    const others = join(tracefs.path, 'instances', `muster-agent-other-${process.pid}`);
    mkdirSync(others);
    cleanups.push(() => spawnSync('rmdir', [others]));
    const first = await record();
    expect(first.rows('SELECT count(*) AS n FROM process_events')).toHaveLength(1);
    const second = await record();
    expect(second.query('SELECT * FROM process_events').result).toMatchObject({
      message: expect.stringContaining('another process reads the trace instance'),
    });
    expect(first.query('SELECT * FROM process_events').result).toMatchObject({ ok: true });
    for (const cleanup of cleanups.splice(3).reverse()) await cleanup();
    expect(tracefs.instances()).toContain(`muster-agent-other-${process.pid}`);
    expect(tracefs.instances()).not.toContain(name);
  });

  test('of another process with the same id nothing is told', () => {
    const look = new ProcessLook(systemClock);
    expect(look.ids(process.pid, 1e15)).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(look.ids(process.pid, 1)).toBeUndefined();
  });
});

describe('where no agent runs', () => {
  test('a question says so', async () => {
    const off = await ask(undefined);
    expect(off.query('SELECT * FROM process_events').result).toMatchObject({ ok: false, code: 'unavailable' });
  });
});
