import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import type { ActionHost, ActionResult, JsonValue } from '../contract/action.js';
import { createActions } from '../create-actions.js';
import { testCall, testHost, playback, type TestCallOptions, type RecordedRun } from '../testing/action-harness.js';
import { FIND_NEIGHBOURS, REMOVE_NEIGHBOURS } from './caches.js';
import { END_CONNECTION, FIND_CONNECTION } from './kill-connection.js';
import { FIND_PROCESSES, KILL_PROCESS } from './kill-process.js';
import { parseSessions } from './logout.js';
import { asciiJson, POWERSHELL_PATH, scriptArgs, SYSTEM32 } from './powershell.js';
import { READ_KEY } from './registry-key.js';
import { parseRegistryKey, criticalReason } from './registry-path.js';
import { DELETE_VALUE, READ_VALUE, WRITE_VALUE } from './registry-value.js';
import { FIND_PROGRAMS } from './remove-package.js';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'windows-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** Runs an action and expects exactly the recorded programs. */
async function play(
  recorded: readonly RecordedRun[],
  name: string,
  call: TestCallOptions,
  more: Partial<ActionHost> = {},
): Promise<ActionResult & { kept: readonly JsonValue[] }> {
  const run = playback(recorded);
  const host = windowsHost({ run, ...more });
  const made = testCall(host, name, call);
  const result = await createActions(host).run(made);
  expect(run.rest).toEqual([]);
  return { ...result, kept: made.kept };
}

async function playUndo(recorded: readonly RecordedRun[], name: string, kept: JsonValue): Promise<ActionResult> {
  const run = playback(recorded);
  const host = windowsHost({ run });
  const call = testCall(host, 'undo', { params: { command: 'command1' }, id: 'command2' });
  const result = await createActions(host).undo(call, name, kept);
  expect(run.rest).toEqual([]);
  return result;
}

function windowsHost(more: Partial<ActionHost>): ActionHost {
  return testHost({ dataDir, platform: 'windows', protects: ['Backup'], ...more });
}

/** A recorded run of one of our scripts with its input and output. */
function script(text: string, input: Readonly<Record<string, unknown>>, output?: unknown): RecordedRun {
  return {
    argv: [POWERSHELL_PATH, ...scriptArgs(text)],
    input: JSON.stringify(input),
    stdout: output === undefined ? '' : `${JSON.stringify(output)}\r\n`,
  };
}
const program = (file: string, args: readonly string[], rest: Partial<RecordedRun> = {}): RecordedRun => ({
  argv: [`${SYSTEM32}${file}`, ...args],
  ...rest,
});

describe('a script of PowerShell', () => {
  test('is a constant: the whole command line is the same whatever it works with', () => {
    expect(scriptArgs('X')).toEqual([
      '-NoLogo',
      '-NoProfile',
      '-NonInteractive',
      '-ExecutionPolicy',
      'Bypass',
      '-Command',
      "$ErrorActionPreference = 'Stop'; [Console]::OutputEncoding = [Text.Encoding]::UTF8; $in = [Console]::In.ReadToEnd() | ConvertFrom-Json; X",
    ]);
    const hostile = `'; Remove-Item C:\\ -Recurse; '\u2019é`;
    expect(asciiJson({ hostile })).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(asciiJson({ hostile }))).toEqual({ hostile });
  });
});

describe('process.kill', () => {
  const abc = { pid: 4711, name: 'abc.exe', path: 'C:\\Temp\\abc.exe', start_time: 1_700_000_000 };
  const found = script(FIND_PROCESSES, { pid: 4711 }, [abc]);
  const row = { pid: 4711, start_time: 1_700_000_000, path: 'c:\\temp\\ABC.exe' };

  test('ends the process that the row saw, through a handle', async () => {
    const kill = script(KILL_PROCESS, { pid: 4711, start_time: 1_700_000_000 }, 'ended');
    expect(await play([found, kill], 'process.kill', { binding: row })).toMatchObject({
      state: 'succeeded',
      effects: ['ended abc.exe (4711), C:\\Temp\\abc.exe'],
    });
    expect(await play([found], 'process.kill', { binding: row, dryRun: true })).toMatchObject({ code: 'dry_run' });
    const changed = script(KILL_PROCESS, { pid: 4711, start_time: 1_700_000_000 }, 'changed');
    expect(await play([found, changed], 'process.kill', { binding: row })).toMatchObject({ code: 'changed' });
  });

  test('refuses another process, the agent and what Windows needs', async () => {
    expect(await play([found], 'process.kill', { binding: { ...row, start_time: 1 } })).toMatchObject({
      code: 'changed',
    });
    expect(await play([found], 'process.kill', { binding: { ...row, path: 'C:\\x' } })).toMatchObject({
      code: 'changed',
    });
    const gone = script(FIND_PROCESSES, { pid: 4711 }, []);
    expect(await play([gone], 'process.kill', { binding: row })).toMatchObject({ code: 'unchanged' });
    for (const other of [
      { ...abc, name: 'lsass.exe' },
      { ...abc, name: 'System' },
      { ...abc, name: 'backup.exe' },
    ]) {
      const protect = script(FIND_PROCESSES, { name: 'x' }, [abc, other]);
      expect(await play([protect], 'process.kill', { params: { name: 'x' } })).toMatchObject({ code: 'protected' });
    }
    const self = script(FIND_PROCESSES, { pid: process.pid }, [{ ...abc, pid: process.pid }]);
    expect(await play([self], 'process.kill', { params: { pid: process.pid } })).toMatchObject({ code: 'protected' });
  });

  test('asks with taskkill for TERM', async () => {
    const left = script(FIND_PROCESSES, { pid: 4711 }, []);
    const runs = [found, program('taskkill.exe', ['/PID', '4711']), left];
    expect(await play(runs, 'process.kill', { params: { pid: 4711, signal: 'TERM' } })).toMatchObject({
      state: 'succeeded',
    });
  });
});

describe('service.stop, start and restart', () => {
  const state = (number: number, word: string): RecordedRun =>
    program('sc.exe', ['queryex', 'Adware'], {
      stdout: `\r\nSERVICE_NAME: Adware\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATE              : ${number}  ${word}\r\n                                (STOPPABLE)\r\n        PID                : 4711\r\n`,
    });
  const config = program('sc.exe', ['qc', 'Adware', '8192'], {
    stdout: '[SC] QueryServiceConfig SUCCESS\r\n\r\n        BINARY_PATH_NAME   : C:\\Adware\\a.exe\r\n',
  });
  const running = [state(4, 'RUNNING'), config];
  const stopped = [state(1, 'STOPPED'), config];

  test('stop waits until it has stopped, keeps that it ran, and undo starts it', async () => {
    const runs = [...running, program('sc.exe', ['stop', 'Adware']), ...stopped, ...stopped];
    const row = { name: 'Adware', path: 'C:\\Adware\\a.exe' };
    const result = await play(runs, 'service.stop', { binding: row });
    expect(result).toMatchObject({ state: 'succeeded', kept: [expect.anything()] });
    const back = [...stopped, program('sc.exe', ['start', 'Adware']), ...running, ...running];
    expect(await playUndo(back, 'service.stop', result.kept[0] ?? null)).toMatchObject({ state: 'succeeded' });
  });

  test('restart is stop and start', async () => {
    const runs = [...running, program('sc.exe', ['stop', 'Adware']), ...stopped];
    const then = [program('sc.exe', ['start', 'Adware']), ...running, ...running];
    expect(await play([...runs, ...then], 'service.restart', { params: { name: 'Adware' } })).toMatchObject({
      state: 'succeeded',
    });
  });

  test('refuses a service that is another by now, or that Windows needs', async () => {
    const other = { name: 'Adware', path: 'C:\\other.exe' };
    expect(await play(running, 'service.stop', { binding: other })).toMatchObject({
      state: 'refused',
      code: 'changed',
    });
    const rpc = [
      program('sc.exe', ['queryex', 'RpcSs'], { stdout: 'STATE : 4 RUNNING\r\n' }),
      program('sc.exe', ['qc', 'RpcSs', '8192']),
    ];
    expect(await play(rpc, 'service.stop', { params: { name: 'RpcSs' } })).toMatchObject({ code: 'protected' });
    const unknown = program('sc.exe', ['queryex', 'Nobody'], { code: 1060 });
    expect(await play([unknown], 'service.stop', { params: { name: 'Nobody' } })).toMatchObject({ state: 'failed' });
  });
});

describe('connection.kill', () => {
  const ends = { local_address: '10.0.0.2', local_port: 50_000, remote_address: '10.0.0.9', remote_port: 4444 };
  const found = script(FIND_CONNECTION, ends, [{ pid: 4711, state: 'Established' }]);

  test('deletes the connection while the same process holds it', async () => {
    const row = { ...ends, pid: 4711, protocol: 6 };
    expect(await play([found, script(END_CONNECTION, ends)], 'connection.kill', { binding: row })).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([found], 'connection.kill', { binding: { ...row, pid: 4712 } })).toMatchObject({
      code: 'changed',
    });
    expect(await play([script(FIND_CONNECTION, ends, [])], 'connection.kill', { params: ends })).toMatchObject({
      code: 'unchanged',
    });
  });

  test('leaves the way to the gateway, and says what Windows cannot do', async () => {
    const gatewayPeers = (): { host: string; port: number }[] => [{ host: '10.0.0.9', port: 4444 }];
    expect(await play([], 'connection.kill', { params: ends }, { gatewayPeers })).toMatchObject({ code: 'protected' });
    expect(await play([], 'connection.kill', { params: { ...ends, protocol: 'udp' } })).toMatchObject({
      state: 'unsupported',
    });
    const six = { ...ends, local_address: '::1', remote_address: '::1' };
    expect(await play([], 'connection.kill', { params: six })).toMatchObject({ state: 'unsupported' });
  });
});

describe('registry.delete_value', () => {
  const key = { hive: 'HKEY_LOCAL_MACHINE', subkey: 'SOFTWARE\\Vendor' };
  const path = 'HKLM\\SOFTWARE\\Vendor\\Run';
  const value = { ...key, name: 'Run' };
  const read = script(READ_VALUE, value, { kind: 'String', text: 'evil.exe', data: ['evil.exe'] });
  const kept = { ...value, kind: 'String', data: ['evil.exe'] };
  const row = { path, type: 'REG_SZ', data: 'evil.exe' };

  test('deletes what the row saw, keeps it, and undo writes it back but never over another', async () => {
    const runs = [read, script(DELETE_VALUE, kept, 'deleted')];
    const result = await play(runs, 'registry.delete_value', { binding: row });
    expect(result).toMatchObject({ state: 'succeeded', kept: [kept] });
    expect(await playUndo([script(WRITE_VALUE, kept, 'written')], 'registry.delete_value', kept)).toMatchObject({
      state: 'succeeded',
    });
    expect(await playUndo([script(WRITE_VALUE, kept, 'exists')], 'registry.delete_value', kept)).toMatchObject({
      code: 'exists',
    });
    expect(await play([read], 'registry.delete_value', { binding: row, dryRun: true })).toMatchObject({
      code: 'dry_run',
      kept: [],
    });
  });

  test('refuses other data, another type, and what is gone', async () => {
    const other = createHash('sha256').update('good.exe').digest('hex');
    const refusal = { state: 'refused', code: 'changed', kept: [] };
    expect(await play([read], 'registry.delete_value', { binding: { ...row, data: 'good.exe' } })).toMatchObject(
      refusal,
    );
    expect(await play([read], 'registry.delete_value', { params: { path, data_sha256: other } })).toMatchObject(
      refusal,
    );
    expect(await play([read], 'registry.delete_value', { binding: { ...row, type: 'REG_DWORD' } })).toMatchObject(
      refusal,
    );
    expect(await play([script(READ_VALUE, value)], 'registry.delete_value', { binding: row })).toMatchObject(refusal);
    const race = [read, script(DELETE_VALUE, kept, 'changed')];
    expect(await play(race, 'registry.delete_value', { binding: row })).toMatchObject({ code: 'changed' });
  });

  test('finds a name with a backslash by the key and the name of the row', async () => {
    const odd = { ...key, name: 'a\\b' };
    const binding = { ...row, path: `${path}\\a\\b`, key: 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Vendor', name: 'a\\b' };
    const runs = [script(READ_VALUE, odd, { kind: 'String', text: 'evil.exe', data: ['evil.exe'] })];
    expect(await play(runs, 'registry.delete_value', { binding, dryRun: true })).toMatchObject({ code: 'dry_run' });
  });
});

describe('registry.delete_key', () => {
  const key = { hive: 'HKEY_LOCAL_MACHINE', subkey: 'SOFTWARE\\Vendor' };
  const path = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Vendor';
  const read = (keys: number): RecordedRun => script(READ_KEY, key, { keys, values: 2, mtime: 1_700_000_000 });

  test('exports the key before it deletes it, and undo imports it', async () => {
    const file = join(dataDir, 'registry', 'command1-1.reg');
    const runs = [
      read(0),
      program('reg.exe', ['export', path, file, '/y', '/reg:64']),
      program('reg.exe', ['delete', path, '/f', '/reg:64']),
    ];
    const binding = { path, type: 'subkey', mtime: 1_700_000_000 };
    const result = await play(runs, 'registry.delete_key', { binding });
    expect(result).toMatchObject({ state: 'succeeded', kept: [{ file, key: path }] });
    const undone = { file, key: path };
    expect(await playUndo([], 'registry.delete_key', undone)).toMatchObject({ code: 'not_kept' });
    writeFileSync(file, 'Windows Registry Editor Version 5.00');
    expect(await playUndo([read(0)], 'registry.delete_key', undone)).toMatchObject({ code: 'exists' });
    const back = [script(READ_KEY, key), program('reg.exe', ['import', file, '/reg:64'])];
    expect(await playUndo(back, 'registry.delete_key', undone)).toMatchObject({ state: 'succeeded' });
  });

  test('refuses a key that was written to, has keys below it, or that Windows needs', async () => {
    const binding = { path, type: 'subkey', mtime: 1 };
    expect(await play([read(0)], 'registry.delete_key', { binding })).toMatchObject({ code: 'changed' });
    expect(await play([read(3)], 'registry.delete_key', { params: { path } })).toMatchObject({ code: 'not_empty' });
    const vital = [
      'HKLM\\SOFTWARE',
      'HKLM\\SYSTEM\\CurrentControlSet',
      'HKLM\\SYSTEM\\ControlSet001\\Services',
      'HKLM\\SAM\\SAM',
    ];
    const refusals = vital.map((text) => criticalReason(parseRegistryKey(text)!));
    for (const refusal of refusals) expect(refusal).toMatch(/hive|Windows/);
    expect(criticalReason(parseRegistryKey(path)!)).toBeUndefined();
    for (const text of ['HKLM', 'HKLM\\', 'HKXX\\a', 'HKLM\\a\\\\b', 'C:\\a'])
      expect(parseRegistryKey(text)).toBeUndefined();
  });
});

describe('package.remove', () => {
  const code = '{01234567-89AB-CDEF-0123-456789ABCDEF}';
  const installed = { name: 'Adware', version: '1.2', publisher: 'Evil', code, msi: 1 };
  const row = { name: 'Adware', version: '1.2', identifying_number: code.toLowerCase() };
  const found = (...list: object[]): RecordedRun => script(FIND_PROGRAMS, { name: 'Adware' }, list);

  test('removes through Windows Installer by product code', async () => {
    const remove = program('msiexec.exe', ['/x', code, '/qn', '/norestart'], { code: 3010 });
    expect(await play([found(installed), remove], 'package.remove', { binding: row })).toMatchObject({
      state: 'succeeded',
      effects: [expect.stringContaining(code), expect.stringContaining('restart')],
    });
    const failed = { ...remove, code: 1618 };
    expect(await play([found(installed), failed], 'package.remove', { binding: row })).toMatchObject({
      state: 'failed',
    });
  });

  test('refuses another version, and does not run a command line that a program brought with it', async () => {
    expect(await play([found({ ...installed, version: '1.3' })], 'package.remove', { binding: row })).toMatchObject({
      code: 'changed',
    });
    expect(await play([found()], 'package.remove', { binding: row })).toMatchObject({ code: 'changed' });
    const own = found({ ...installed, code: 'Adware_is1', msi: 0 });
    expect(await play([own], 'package.remove', { params: { name: 'Adware' } })).toMatchObject({ state: 'unsupported' });
    const two = found(installed, { ...installed, code: 'x' });
    expect(await play([two], 'package.remove', { params: { name: 'Adware' } })).toMatchObject({ code: 'ambiguous' });
  });
});

describe('caches and sessions', () => {
  const neighbour = { address: '10.0.0.9', index: 7, mac: '00-11-22-33-44-55' };

  test('arp.flush forgets one neighbour while it has the hardware address of the row, or all', async () => {
    const asked = { address: '10.0.0.9', interface: '7' };
    const find = script(FIND_NEIGHBOURS, asked, [neighbour]);
    const remove = script(REMOVE_NEIGHBOURS, { neighbours: [{ address: '10.0.0.9', index: 7 }] });
    const row = { ...asked, mac: '00:11:22:33:44:55' };
    expect(await play([find, remove], 'arp.flush', { binding: row })).toMatchObject({ state: 'succeeded' });
    expect(await play([find], 'arp.flush', { binding: { ...row, mac: '00:00:00:00:00:01' } })).toMatchObject({
      code: 'changed',
    });
    const all = [
      script(FIND_NEIGHBOURS, { address: null, interface: null }, [neighbour]),
      program('netsh.exe', ['interface', 'ip', 'delete', 'arpcache']),
    ];
    expect(await play(all, 'arp.flush', {})).toMatchObject({ state: 'succeeded' });
  });

  test('dns.flush', async () => {
    expect(await play([program('ipconfig.exe', ['/flushdns'])], 'dns.flush', {})).toMatchObject({ state: 'succeeded' });
    expect(await play([], 'dns.flush', { dryRun: true })).toMatchObject({ code: 'dry_run' });
  });

  const quser = [
    ' USERNAME              SESSIONNAME        ID  STATE   IDLE TIME  LOGON TIME',
    '>ann                   console             1  Active      none   11/25/2025 12:01 AM',
    ' bob                                       2  Disc            5  11/25/2025 12:02 AM',
    ' ann                   rdp-tcp#3           3  Active          .  11/25/2025 12:03 AM',
    '',
  ].join('\r\n');

  test('session.logout ends the sessions of a user, one on a station, or one by id', async () => {
    expect(parseSessions(quser).map(({ user, station, id }) => [user, station, id])).toEqual([
      ['ann', 'console', 1],
      ['bob', '', 2],
      ['ann', 'rdp-tcp#3', 3],
    ]);
    const list = program('quser.exe', [], { stdout: quser });
    const logoff = (id: number): RecordedRun => program('logoff.exe', [String(id)]);
    expect(await play([list, logoff(1), logoff(3)], 'session.logout', { params: { user: 'Ann' } })).toMatchObject({
      state: 'succeeded',
    });
    expect(
      await play([list, logoff(3)], 'session.logout', { binding: { user: 'ann', tty: 'RDP-Tcp#3' } }),
    ).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([list, logoff(2)], 'session.logout', { params: { session: '2' } })).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([list], 'session.logout', { params: { user: 'eve' } })).toMatchObject({ code: 'unchanged' });
  });
});

describe('host.isolate and host.release', () => {
  const netsh = (...args: string[]): RecordedRun => program('netsh.exe', ['advfirewall', ...args]);
  const rule = (...args: string[]): RecordedRun =>
    netsh(
      'firewall',
      'add',
      'rule',
      'name=MusterIsolation',
      ...args.slice(0, 1),
      'action=allow',
      'profile=any',
      ...args.slice(1),
    );
  const gatewayPeers = (): { host: string; port: number }[] => [{ host: '192.0.2.1', port: 8443 }];

  test('exports the policy, sets the task that imports it again, then blocks all but the gateway', async () => {
    const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
    const policy = join(dataDir, 'isolation.wfw');
    const task = join(dataDir, 'isolation-task.xml');
    const runs = [
      netsh('show', 'currentprofile', 'state'),
      netsh('export', policy),
      program('schtasks.exe', ['/Create', '/TN', 'Muster\\ReleaseIsolation', '/XML', task, '/F']),
      netsh('set', 'allprofiles', 'state', 'on'),
      netsh('firewall', 'set', 'rule', 'name=all', 'new', 'enable=no'),
      rule('dir=out', 'protocol=TCP', 'remoteip=192.0.2.1', 'remoteport=8443'),
      rule('dir=in', 'protocol=any', 'remoteip=10.1.0.0/16'),
      rule('dir=out', 'protocol=any', 'remoteip=10.1.0.0/16'),
      rule('dir=out', 'protocol=UDP', 'localport=68', 'remoteport=67'),
      rule('dir=out', 'protocol=UDP', 'localport=546', 'remoteport=547'),
      ...[133, 134, 135, 136].flatMap((type) => [
        rule('dir=in', `protocol=icmpv6:${type},any`),
        rule('dir=out', `protocol=icmpv6:${type},any`),
      ]),
      netsh('set', 'allprofiles', 'firewallpolicy', 'blockinbound,blockoutbound'),
    ];
    const params = { releaseAfter: '10m', allow: ['10.1.0.0/16'] };
    expect(await play(runs, 'host.isolate', { params }, { clock, gatewayPeers })).toMatchObject({ state: 'succeeded' });
    const xml = readFileSync(task, 'utf8');
    expect(xml).toContain('<StartBoundary>2026-01-01T00:10:00Z</StartBoundary>');
    expect(xml).toContain('<StartWhenAvailable>true</StartWhenAvailable>');
    expect(xml).toContain('<Command>C:\\Windows\\System32\\netsh.exe</Command>');
    expect(xml).toContain(`<Arguments>advfirewall import "${policy}"</Arguments>`);

    writeFileSync(policy, 'exported');
    const back = [
      netsh('import', policy),
      program('schtasks.exe', ['/Delete', '/TN', 'Muster\\ReleaseIsolation', '/F']),
    ];
    expect(await play(back, 'host.release', {}, { clock })).toMatchObject({ state: 'succeeded' });
    expect(existsSync(policy)).toBe(false);
    expect(await play([], 'host.release', {}, { clock })).toMatchObject({ code: 'unchanged' });
  });

  test('is taken back when a step fails', async () => {
    const policy = join(dataDir, 'isolation.wfw');
    const broken = { ...netsh('set', 'allprofiles', 'state', 'on'), code: 1, stdout: 'Access is denied.' };
    writeFileSync(policy, 'exported');
    const runs = [
      netsh('show', 'currentprofile', 'state'),
      program('schtasks.exe', [
        '/Create',
        '/TN',
        'Muster\\ReleaseIsolation',
        '/XML',
        join(dataDir, 'isolation-task.xml'),
        '/F',
      ]),
      broken,
      netsh('import', policy),
      program('schtasks.exe', ['/Delete', '/TN', 'Muster\\ReleaseIsolation', '/F']),
    ];
    expect(await play(runs, 'host.isolate', {}, { gatewayPeers })).toMatchObject({ state: 'failed' });
    expect(existsSync(join(dataDir, 'isolation.json'))).toBe(false);
  });
});
