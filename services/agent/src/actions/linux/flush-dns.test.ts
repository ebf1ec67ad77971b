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
      'resolvectl statistics': {},
      'unbound-control flush_zone .': { stdout: 'ok removed 5 rrsets\n' },
      'rndc flush': {},
    });
    const programs = ['/usr/sbin/unbound', '/usr/sbin/named', '/usr/sbin/dnsmasq-not'];
    const result = await flush(machine([RESOLVED, '/run/nscd/socket'], programs), host);
    expect(result).toMatchObject({
      state: 'succeeded',
      message: 'caches emptied: systemd-resolved, nscd, unbound, named',
      effects: [
        'emptied systemd-resolved: it took the order, and does not count its names',
        'emptied nscd: nscd says nothing, and ended well',
        'emptied unbound: unbound-control says ok removed 5 rrsets',
        'emptied named: rndc says nothing, and ended well',
      ],
    });
    expect(host.ran).toEqual([
      'resolvectl statistics',
      'resolvectl flush-caches',
      'resolvectl statistics',
      'nscd --invalidate=hosts',
      'unbound-control flush_zone .',
      'rndc flush',
    ]);
  });

  test('systemd-resolved that took the order and forgot nothing is a failure', async () => {
    const counting = (...sizes: readonly number[]) => {
      const host = recordedHost({ 'resolvectl flush-caches': {} });
      const left = [...sizes];
      return {
        ...host,
        run: (...call: Parameters<typeof host.run>) =>
          call[1][0] === 'statistics'
            ? Promise.resolve({ code: 0, stdout: `Cache\n  Current Cache Size: ${left.shift()}\n`, stderr: '' })
            : host.run(...call),
      };
    };
    expect(await flush(machine([RESOLVED]), counting(12, 12))).toMatchObject({ state: 'failed', code: 'not_emptied' });
    expect(await flush(machine([RESOLVED]), counting(12, 1))).toMatchObject({
      state: 'succeeded',
      effects: ['emptied systemd-resolved: 12 names before, 1 after'],
    });
    expect(await flush(machine([RESOLVED]), counting(0, 0))).toMatchObject({ state: 'succeeded' });
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
      'resolvectl statistics': {},
      'nscd --invalidate=hosts': { code: 1, stderr: 'no permission\n' },
    });
    const result = await flush(machine([RESOLVED, '/run/nscd/socket'], ['/usr/sbin/unbound']), host);
    expect(result).toMatchObject({
      state: 'failed',
      message: 'nscd: no permission; unbound: there is no unbound-control to tell it',
      effects: ['emptied systemd-resolved: it took the order, and does not count its names'],
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

  test.each([
    ['takes it', '/bin/bash', ['-c', 'trap : HUP; echo ready; while :; do read -t 0.05 <> <(:); done']],
    ['does not take it', '/bin/sleep', ['1000']],
  ])('dnsmasq that %s gets SIGHUP, unless its process id was reused or it would end', async (kind, source, args) => {
    if (process.platform !== 'linux') return;
    const folder = mkdtempSync(join(tmpdir(), 'muster-dns-'));
    const program = join(folder, 'dnsmasq');
    copyFileSync(source, program);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await once(child, 'spawn');
      if (kind === 'takes it') await once(child.stdout, 'data');
      let view = viewProcess(child.pid!)!;
      while (view.path !== program) view = viewProcess(child.pid!)!;
      const call = (startTicks: number) =>
        flushDns({ exists: () => false, processes: () => [{ ...view, startTicks }] }).run(
          testCall(testHost(), 'dns.flush'),
        );
      expect(await call(view.startTicks + 1)).toMatchObject({ state: 'failed' });
      const result = await call(view.startTicks);
      expect(result).toMatchObject(
        kind === 'takes it'
          ? { state: 'succeeded', effects: [`emptied dnsmasq (${view.pid}): it took SIGHUP and runs`] }
          : { state: 'failed', message: expect.stringContaining('does not take SIGHUP') },
      );
      expect(viewProcess(child.pid!)?.startTicks).toBe(view.startTicks);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
