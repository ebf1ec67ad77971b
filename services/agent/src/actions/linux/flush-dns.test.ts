import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { testCall, testHost, recordedHost } from '../testing/action-harness.js';
import { type CacheProbe, flushDns } from './flush-dns.js';
import { type ProcessView, viewProcess } from './process-view.js';

const machine = (paths: readonly string[], programs: readonly string[] = []): CacheProbe => ({
  exists: (path) => paths.includes(path),
  processes: () =>
    programs.map(
      (path, i) => ({ pid: 2 ** 30 + i, path, name: path, state: 'S', threads: 1, startTicks: 1 }) as ProcessView,
    ),
});
const flush = (surroundings: CacheProbe, host: ReturnType<typeof recordedHost>, dryRun = false) =>
  flushDns(surroundings).run(testCall(host, 'dns.flush', { dryRun }));
const RESOLVED = '/run/systemd/resolve/io.systemd.Resolve';

describe('dns.flush', () => {
  test('flushes every running cache with these command lines', async () => {
    const host = recordedHost({
      'resolvectl flush-caches': {},
      'nscd --invalidate=hosts': {},
      'unbound-control flush_zone .': { stdout: 'ok removed 5 rrsets\n' },
      'rndc flush': {},
    });
    const programs = ['/usr/sbin/unbound', '/usr/sbin/named', '/usr/sbin/dnsmasq-not'];
    const result = await flush(machine([RESOLVED, '/run/nscd/socket'], programs), host);
    expect(result).toMatchObject({
      state: 'succeeded',
      message: 'caches emptied: systemd-resolved, nscd, unbound, named',
    });
    expect(host.ran).toEqual([
      'resolvectl flush-caches',
      'nscd --invalidate=hosts',
      'unbound-control flush_zone .',
      'rndc flush',
    ]);
  });

  test('uses the command of older systemd versions', async () => {
    const host = recordedHost({ 'systemd-resolve --flush-caches': {} });
    expect(await flush(machine([RESOLVED]), host)).toMatchObject({ state: 'succeeded' });
  });

  test('a dry run names the caches and runs nothing', async () => {
    const host = recordedHost({});
    expect(await flush(machine([RESOLVED]), host, true)).toMatchObject({ effects: ['would empty systemd-resolved'] });
    expect(host.ran).toEqual([]);
  });

  test('a failed flush reports which caches were flushed', async () => {
    const host = recordedHost({
      'resolvectl flush-caches': {},
      'nscd --invalidate=hosts': { code: 1, stderr: 'no permission\n' },
    });
    const result = await flush(machine([RESOLVED, '/run/nscd/socket'], ['/usr/sbin/unbound']), host);
    expect(result).toMatchObject({
      state: 'failed',
      message: 'nscd: no permission; unbound: there is no unbound-control to tell it',
      effects: ['emptied systemd-resolved'],
    });
  });

  test('a dry run works on this machine, with or without caches', async () => {
    if (process.platform !== 'linux') return;
    const result = await flushDns().run(testCall(testHost(), 'dns.flush', { dryRun: true }));
    expect(['dry_run', 'no_cache']).toContain(result.code);
  });

  test('a machine without a cache is unsupported', async () => {
    expect(await flush(machine([]), recordedHost({}))).toMatchObject({ state: 'unsupported', code: 'no_cache' });
  });

  test('dnsmasq gets SIGHUP, unless its process id was reused', async () => {
    if (process.platform !== 'linux') return;
    const folder = mkdtempSync(join(tmpdir(), 'muster-dns-'));
    const program = join(folder, 'dnsmasq');
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['1000'], { stdio: 'ignore' });
    try {
      await once(child, 'spawn');
      let view = viewProcess(child.pid!)!;
      while (view.path !== program) view = viewProcess(child.pid!)!;
      const call = (startTicks: number) =>
        flushDns({ exists: () => false, processes: () => [{ ...view, startTicks }] }).run(
          testCall(testHost(), 'dns.flush'),
        );
      expect(await call(view.startTicks + 1)).toMatchObject({ state: 'failed' });
      const exited = once(child, 'exit');
      expect(await call(view.startTicks)).toMatchObject({
        state: 'succeeded',
        effects: [`emptied dnsmasq (${view.pid})`],
      });
      expect(await exited).toEqual([null, 'SIGHUP']);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
