import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { playback } from '../testing/action-harness.js';
import { platformHarness, ran } from '../testing/platform-harness.js';
import { parseNetworkAddress } from './network-address.js';
import { isolationPf, PfFirewall, releaseJob } from './pf-firewall.js';

const { dataDir, hostWith } = platformHarness('darwin');

describe('host.isolate', () => {
  const PF = '/sbin/pfctl';
  const ANCHOR = ['-a', 'com.apple/muster_isolation'];
  const allowList = {
    gateways: [{ address: parseNetworkAddress('192.0.2.1')!, port: 8443 }],
    resolvers: [],
    allowed: [parseNetworkAddress('2001:db8::/32')!],
  };

  test('loads rules into its own anchor, and a job that flushes it', async () => {
    const rules = isolationPf(allowList);
    expect(rules).toContain('pass out quick inet proto tcp from any to 192.0.2.1 port 8443 no state\n');
    expect(rules).toContain('pass in quick inet proto tcp from 192.0.2.1 port 8443 to any flags A/A no state\n');
    expect(rules).toContain('pass in quick inet6 from 2001:db8::/32 to any no state\n');
    expect(rules.trimEnd().endsWith('block drop quick all')).toBe(true);
    const job = join(dataDir(), 'io.muster.release-isolation.plist');
    const bootout = ran(['/bin/launchctl', 'bootout', 'system/io.muster.release-isolation'], { code: 3 });
    const run = playback([
      bootout,
      ran(['/bin/launchctl', 'bootstrap', 'system', job]),
      ran([PF, ...ANCHOR, '-f', '-'], { input: rules }),
      ran([PF, '-E'], { stderr: 'pf enabled\nToken : 1234567890\n' }),
      ran([PF, '-F', 'states']),
      // Release.
      ran([PF, ...ANCHOR, '-s', 'rules'], { stdout: 'block drop quick all\n' }),
      ran([PF, ...ANCHOR, '-F', 'all']),
      ran([PF, '-X', '1234567890']),
      bootout,
      // Release again.
      ran([PF, ...ANCHOR, '-s', 'rules']),
      ran([PF, ...ANCHOR, '-F', 'all']),
      bootout,
    ]);
    const firewall = new PfFirewall(hostWith({ run }), dataDir());
    await firewall.apply(allowList, 600);
    expect(readFileSync(job, 'utf8')).toBe(releaseJob(600));
    expect(releaseJob(600)).toContain('<key>StartInterval</key><integer>600</integer>');
    expect(await firewall.remove()).toBe(true);
    expect(existsSync(job)).toBe(false);
    expect(await firewall.remove()).toBe(false);
    expect(run.rest).toEqual([]);
  });

  test('is rolled back when the rules cannot be loaded', async () => {
    const job = join(dataDir(), 'io.muster.release-isolation.plist');
    const bootout = ran(['/bin/launchctl', 'bootout', 'system/io.muster.release-isolation']);
    const run = playback([
      bootout,
      ran(['/bin/launchctl', 'bootstrap', 'system', job]),
      ran([PF, ...ANCHOR, '-f', '-'], { code: 1, stderr: 'stdin:1: syntax error\n' }),
      ran([PF, ...ANCHOR, '-s', 'rules']),
      ran([PF, ...ANCHOR, '-F', 'all']),
      bootout,
    ]);
    writeFileSync(job, '');
    await expect(new PfFirewall(hostWith({ run }), dataDir()).apply(allowList, 600)).rejects.toThrow(/syntax error/);
    expect(existsSync(job)).toBe(false);
    expect(run.rest).toEqual([]);
  });
});
