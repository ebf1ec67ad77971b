import { describe, expect, test } from '@jest/globals';
import { playback, testCall, type RecordedRun } from '../testing/action-harness.js';
import { platformHarness, ran } from '../testing/platform-harness.js';
import { parseNeighbours } from './caches.js';
import { parseProcesses } from './kill-process.js';
import { removeApplication } from './remove-application.js';

const { hostWith, play } = platformHarness('darwin');

describe('process.kill', () => {
  const PS = ['/bin/ps', '-axww', '-o', 'pid=,ppid=,lstart=,comm='];
  const line = (pid: number, parent: number, path: string): string =>
    `${String(pid).padStart(5)} ${String(parent).padStart(5)} Tue Nov  4 00:40:12 2025     ${path}`;
  const own = line(process.pid, 300, '/usr/local/bin/node');
  const parent = line(300, 1, '/usr/local/bin/muster-agent');
  const abc = line(4711, 1, '/Applications/My App.app/Contents/MacOS/abc');
  const ps = (...lines: string[]): RecordedRun =>
    ran(PS, { stdout: `${[line(1, 0, '/sbin/launchd'), parent, own, ...lines].join('\n')}\n` });
  const started = Date.UTC(2025, 10, 4, 0, 40, 12) / 1000;

  test('ends the bound process', async () => {
    expect(parseProcesses(abc)).toEqual([
      { pid: 4711, parent: 1, startTime: started, path: '/Applications/My App.app/Contents/MacOS/abc' },
    ]);
    const row = { pid: 4711, start_time: started, path: '/Applications/My App.app/Contents/MacOS/abc' };
    const kill = ran(['/bin/kill', '-s', 'KILL', '4711']);
    expect(await play([ps(abc), kill, ps()], 'process.kill', { binding: row })).toMatchObject({ state: 'succeeded' });
    expect(await play([ps(abc)], 'process.kill', { binding: row, dryRun: true })).toMatchObject({ code: 'dry_run' });
    const term = ran(['/bin/kill', '-s', 'TERM', '4711']);
    const byName = { params: { name: 'abc', signal: 'TERM' } };
    expect(await play([ps(abc), term, ps()], 'process.kill', byName)).toMatchObject({ state: 'succeeded' });
  });

  test('refuses another process, launchd, the agent and its ancestors', async () => {
    const row = { pid: 4711, start_time: started, path: '/other' };
    expect(await play([ps(abc)], 'process.kill', { binding: row })).toMatchObject({ code: 'changed' });
    expect(await play([ps(abc)], 'process.kill', { params: { pid: 4711, start_time: 5 } })).toMatchObject({
      code: 'changed',
    });
    for (const pid of [1, 300, process.pid]) {
      expect(await play([ps()], 'process.kill', { params: { pid } })).toMatchObject({ code: 'protected' });
    }
    const server = line(200, 1, '/System/Library/PrivateFrameworks/SkyLight.framework/Resources/WindowServer');
    expect(await play([ps(server)], 'process.kill', { params: { name: 'WindowServer' } })).toMatchObject({
      code: 'protected',
    });
    expect(await play([ps()], 'process.kill', { params: { pid: 4711 } })).toMatchObject({ code: 'unchanged' });
  });
});

describe('caches, sessions, connections', () => {
  const ARP = ['/usr/sbin/arp', '-a', '-n'];
  const table = [
    '? (10.0.0.1) at 0:1b:21:a:b:c on en0 ifscope [ethernet]',
    '? (10.0.0.9) at 2:0:0:0:0:9 on en1 ifscope [ethernet]',
    '? (224.0.0.251) at 1:0:5e:0:0:fb on en0 ifscope permanent [ethernet]',
    '? (10.0.0.7) at (incomplete) on en0 ifscope [ethernet]',
    '',
  ].join('\n');
  const list = ran(ARP, { stdout: table });

  test('arp.flush removes learned entries one by one if they match the row', async () => {
    expect(parseNeighbours(table)[0]).toEqual({
      address: '10.0.0.1',
      mac: '00:1b:21:0a:0b:0c',
      interface: 'en0',
      isPermanent: false,
    });
    const drop = (address: string): RecordedRun => ran(['/usr/sbin/arp', '-d', address]);
    expect(await play([list, drop('10.0.0.1'), drop('10.0.0.9')], 'arp.flush', {})).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([list, drop('10.0.0.9')], 'arp.flush', { params: { interface: 'en1' } })).toMatchObject({
      state: 'succeeded',
    });
    const row = { address: '10.0.0.1', interface: 'en0', mac: '00:1b:21:0a:0b:0d' };
    expect(await play([list], 'arp.flush', { binding: row })).toMatchObject({ code: 'changed' });
  });

  test('dns.flush flushes the cache and signals mDNSResponder', async () => {
    const runs = [ran(['/usr/bin/dscacheutil', '-flushcache']), ran(['/usr/bin/killall', '-HUP', 'mDNSResponder'])];
    expect(await play(runs, 'dns.flush', {})).toMatchObject({ state: 'succeeded' });
  });

  test('session.logout ends a graphical session through launchd, and a terminal session by its processes', async () => {
    const who = ran(['/usr/bin/who'], {
      stdout:
        'ann      console      Nov 25 00:12 \nann      ttys001      Nov 25 00:13 \nbob      ttys002      Nov 25 00:14 \n',
    });
    const console = [
      ran(['/usr/bin/id', '-u', 'ann'], { stdout: '501\n' }),
      ran(['/bin/launchctl', 'bootout', 'gui/501']),
    ];
    const terminal = ran(['/usr/bin/pkill', '-HUP', '-t', 'ttys001', '-u', 'ann']);
    expect(await play([who, ...console, terminal], 'session.logout', { params: { user: 'ann' } })).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([who, terminal], 'session.logout', { binding: { user: 'ann', tty: 'ttys001' } })).toMatchObject({
      state: 'succeeded',
    });
    expect(await play([who], 'session.logout', { binding: { user: 'eve', tty: 'ttys001' } })).toMatchObject({
      code: 'changed',
    });
  });

  test('connection.kill and registry actions are unsupported', async () => {
    const ends = { local_address: '10.0.0.2', local_port: 1, remote_address: '10.0.0.9', remote_port: 2 };
    expect(await play([], 'connection.kill', { params: ends })).toMatchObject({ state: 'unsupported' });
    expect(await play([], 'registry.delete_key', { params: { path: 'HKLM\\a\\b' } })).toMatchObject({
      state: 'unsupported',
    });
  });
});

describe('package.remove', () => {
  const path = '/Applications/Adware.app';
  const info = (key: string, value: string): RecordedRun =>
    ran(['/usr/bin/plutil', '-extract', key, 'raw', '-o', '-', `${path}/Contents/Info.plist`], {
      stdout: `${value}\n`,
    });
  const infos = [info('CFBundleIdentifier', 'com.evil.adware'), info('CFBundleShortVersionString', '1.2')];
  const row = { path, bundle_identifier: 'com.evil.adware', bundle_short_version: '1.2' };

  test('removes exactly the bound folder', async () => {
    let isThere = true;
    const removal = removeApplication({ isFolder: () => (isThere ? true : undefined) });
    const rm = ran(['/bin/rm', '-rf', '--', path]);
    const run = playback([...infos, rm]);
    const host = hostWith({
      run: (file, args, options) => {
        if (file === '/bin/rm') isThere = false;
        return run(file, args, options);
      },
    });
    expect(await removal.run(testCall(host, 'package.remove', { binding: row }))).toMatchObject({ state: 'succeeded' });
    expect(run.rest).toEqual([]);
  });

  test('refuses another application, links, and paths outside of the Applications folders', async () => {
    const there = removeApplication({ isFolder: () => true });
    const link = removeApplication({ isFolder: () => false });
    const other = { ...row, bundle_identifier: 'com.good' };
    expect(await play(infos, 'package.remove', { binding: other }, { implementation: there })).toMatchObject({
      code: 'changed',
    });
    expect(
      await play(infos, 'package.remove', { binding: row, dryRun: true }, { implementation: there }),
    ).toMatchObject({
      code: 'dry_run',
    });
    expect(await play([], 'package.remove', { binding: row }, { implementation: link })).toMatchObject({
      state: 'refused',
    });
    for (const odd of [
      '/System/Applications/Mail.app',
      '/Applications',
      '/Applications/x',
      '/Applications/../etc/x.app',
      '/x.app',
    ]) {
      expect(
        await play([], 'package.remove', { binding: { ...row, path: odd } }, { implementation: there }),
      ).toMatchObject({
        state: 'refused',
      });
    }
  });
});
