import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import type { RecordedRun } from '../testing/action-harness.js';
import { program, platformHarness } from '../testing/platform-harness.js';

const { dataDir, play } = platformHarness('windows');

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

  test('exports the policy, creates the task that restores it, then blocks all but the gateway', async () => {
    const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
    const policy = join(dataDir(), 'isolation.wfw');
    const task = join(dataDir(), 'isolation-task.xml');
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

  test('is rolled back when a step fails', async () => {
    const policy = join(dataDir(), 'isolation.wfw');
    const broken = { ...netsh('set', 'allprofiles', 'state', 'on'), code: 1, stdout: 'Access is denied.' };
    writeFileSync(policy, 'exported');
    const runs = [
      netsh('show', 'currentprofile', 'state'),
      program('schtasks.exe', [
        '/Create',
        '/TN',
        'Muster\\ReleaseIsolation',
        '/XML',
        join(dataDir(), 'isolation-task.xml'),
        '/F',
      ]),
      broken,
      netsh('import', policy),
      program('schtasks.exe', ['/Delete', '/TN', 'Muster\\ReleaseIsolation', '/F']),
    ];
    expect(await play(runs, 'host.isolate', {}, { gatewayPeers })).toMatchObject({ state: 'failed' });
    expect(existsSync(join(dataDir(), 'isolation.json'))).toBe(false);
  });
});
