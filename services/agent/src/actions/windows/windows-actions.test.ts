import { describe, expect, test } from '@jest/globals';
import type { RecordedRun } from '../testing/action-harness.js';
import { program, script, platformHarness } from '../testing/platform-harness.js';
import { FIND_NEIGHBOURS, REMOVE_NEIGHBOURS } from './caches.js';
import { END_CONNECTION, FIND_CONNECTION } from './kill-connection.js';
import { FIND_PROCESSES, KILL_PROCESS } from './kill-process.js';
import { parseSessions } from './logout.js';
import { asciiJson, scriptArgs } from './powershell.js';
import { FIND_PROGRAMS } from './remove-package.js';

const { play } = platformHarness('windows');

describe('a PowerShell script', () => {
  test('is constant: the command line does not depend on the input', () => {
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

  test('ends the bound process through a handle', async () => {
    const kill = script(KILL_PROCESS, { pid: 4711, start_time: 1_700_000_000 }, 'ended');
    expect(await play([found, kill], 'process.kill', { binding: row })).toMatchObject({
      state: 'succeeded',
      effects: ['ended abc.exe (4711), C:\\Temp\\abc.exe'],
    });
    expect(await play([found], 'process.kill', { binding: row, dryRun: true })).toMatchObject({ code: 'dry_run' });
    const changed = script(KILL_PROCESS, { pid: 4711, start_time: 1_700_000_000 }, 'changed');
    expect(await play([found, changed], 'process.kill', { binding: row })).toMatchObject({ code: 'changed' });
  });

  test('refuses another process, the agent and critical processes', async () => {
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

  test('uses taskkill for TERM', async () => {
    const left = script(FIND_PROCESSES, { pid: 4711 }, []);
    const runs = [found, program('taskkill.exe', ['/PID', '4711']), left];
    expect(await play(runs, 'process.kill', { params: { pid: 4711, signal: 'TERM' } })).toMatchObject({
      state: 'succeeded',
    });
  });
});

describe('connection.kill', () => {
  const ends = { local_address: '10.0.0.2', local_port: 50_000, remote_address: '10.0.0.9', remote_port: 4444 };
  const found = script(FIND_CONNECTION, ends, [{ pid: 4711, state: 'Established' }]);

  test('ends the connection if the same process holds it', async () => {
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

  test('protects the connection to the gateway, and reports what Windows does not support', async () => {
    const gatewayPeers = (): { host: string; port: number }[] => [{ host: '10.0.0.9', port: 4444 }];
    expect(await play([], 'connection.kill', { params: ends }, { gatewayPeers })).toMatchObject({ code: 'protected' });
    expect(await play([], 'connection.kill', { params: { ...ends, protocol: 'udp' } })).toMatchObject({
      state: 'unsupported',
    });
    const six = { ...ends, local_address: '::1', remote_address: '::1' };
    expect(await play([], 'connection.kill', { params: six })).toMatchObject({ state: 'unsupported' });
  });
});

describe('package.remove', () => {
  const code = '{01234567-89AB-CDEF-0123-456789ABCDEF}';
  const installed = { name: 'Adware', version: '1.2', publisher: 'Evil', code, msi: 1 };
  const row = { name: 'Adware', version: '1.2', identifying_number: code.toLowerCase() };
  const found = (...list: object[]): RecordedRun => script(FIND_PROGRAMS, { name: 'Adware' }, list);

  test('removes with Windows Installer by product code', async () => {
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

  test("refuses another version, and never runs a program's own uninstall command", async () => {
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

  test("arp.flush removes one entry with the row's hardware address, or all entries", async () => {
    const filter = { address: '10.0.0.9', interface: '7' };
    const find = script(FIND_NEIGHBOURS, filter, [neighbour]);
    const remove = script(REMOVE_NEIGHBOURS, { neighbours: [{ address: '10.0.0.9', index: 7 }] });
    const row = { ...filter, mac: '00:11:22:33:44:55' };
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

  test('session.logout ends the sessions of a user, one on a station, or one by its id', async () => {
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
