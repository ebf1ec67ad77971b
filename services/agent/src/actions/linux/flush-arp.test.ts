import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runProgram } from '../contract/run-program.js';
import { testCall, testHost, recordedHost } from '../testing/action-harness.js';
import { flushArp, parseNeighbours } from './flush-arp.js';

const namespace = `muster-arp-${process.pid}`;

/** Returns why no network namespace with an interface can be created, or `undefined` on success. */
function makeNamespace(): string | undefined {
  try {
    execFileSync('ip', ['netns', 'add', namespace], { stdio: 'pipe' });
    const ip = (...args: string[]) => execFileSync('ip', ['-n', namespace, ...args], { stdio: 'pipe' });
    ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    for (const one of ['v0', 'v1']) ip('link', 'set', one, 'up');
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const skipped = process.platform === 'linux' ? makeNamespace() : 'this is not Linux';
if (skipped !== undefined) process.stderr.write(`arp.flush on this machine is skipped: ${skipped}\n`);

(skipped === undefined ? describe : describe.skip)('arp.flush in a network namespace of this machine', () => {
  const host = testHost({
    run: (file, args, options) => runProgram('ip', ['netns', 'exec', namespace, file, ...args], options),
  });
  const flush = (options: Parameters<typeof testCall>[2]) => flushArp.run(testCall(host, 'arp.flush', options));
  const add = (address: string, device: string, state: string): void => {
    const mac = `02:00:00:00:00:${address.slice(-2).replace('.', '0')}`;
    const args = ['-n', namespace, 'neigh', 'replace', address, 'lladdr', mac, 'dev', device, 'nud', state];
    execFileSync('ip', args, { stdio: 'pipe' });
  };
  const known = (): string[] =>
    parseNeighbours(execFileSync('ip', ['-n', namespace, 'neigh', 'show'], { encoding: 'utf8' }))
      .map((one) => `${one.address} ${one.interface}`)
      .sort();

  beforeAll(() => {
    add('10.9.9.2', 'v0', 'reachable');
    add('10.9.9.3', 'v0', 'permanent');
    add('10.9.9.20', 'v0', 'stale');
    add('10.9.9.2', 'v1', 'stale');
  });
  afterAll(() => void execFileSync('ip', ['netns', 'del', namespace], { stdio: 'pipe' }));

  test('a dry run reports the entries and keeps them', async () => {
    const before = known();
    const result = await flush({ params: { interface: 'v0' }, dryRun: true });
    expect(result).toMatchObject({ code: 'dry_run', message: '2 neighbours would be forgotten' });
    expect(known()).toEqual(before);
  });

  test('a changed hardware address and an entry set by hand are refused', async () => {
    const row = { address: '10.9.9.20', interface: 'v0', mac: '02:00:00:00:00:99' };
    expect(await flush({ binding: row })).toMatchObject({ state: 'refused', code: 'changed' });
    const permanent = { address: '10.9.9.3', interface: 'v0' };
    expect(await flush({ params: permanent })).toMatchObject({ state: 'refused', code: 'protected' });
    expect(known()).toEqual(['10.9.9.2 v0', '10.9.9.2 v1', '10.9.9.20 v0', '10.9.9.3 v0']);
  });

  test('one entry on one interface is removed, and addresses are compared completely', async () => {
    const result = await flush({ binding: { address: '10.9.9.2', interface: 'v0', mac: '02:00:00:00:00:02' } });
    expect(result).toMatchObject({ state: 'succeeded', effects: ['forgot 10.9.9.2 at 02:00:00:00:00:02 on v0'] });
    expect(known()).toEqual(['10.9.9.2 v1', '10.9.9.20 v0', '10.9.9.3 v0']);
    expect(await flush({ params: { address: '10.9.9.2', interface: 'v0' } })).toMatchObject({ code: 'unchanged' });
  });

  test('all entries are removed except those set by hand', async () => {
    expect(await flush({})).toMatchObject({ state: 'succeeded', message: '2 neighbours forgotten' });
    expect(known()).toEqual(['10.9.9.3 v0']);
    expect(await flush({})).toMatchObject({ state: 'succeeded', code: 'unchanged' });
  });

  test('a missing interface is a failure', async () => {
    expect(await flush({ params: { interface: 'v7' } })).toMatchObject({ state: 'failed', code: 'not_found' });
  });
});

describe('arp.flush (recorded)', () => {
  test('missing permission is reported, and a machine without ip is unsupported', async () => {
    const host = recordedHost({
      'ip neigh show': {
        stdout: '10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 router STALE\n10.0.0.9 dev eth0 FAILED\n',
      },
      'ip neigh flush all': {
        code: 2,
        stderr: 'RTNETLINK answers: Operation not permitted\nFailed to send flush request\n',
      },
    });
    expect(await flushArp.run(testCall(host, 'arp.flush'))).toMatchObject({ state: 'failed', code: 'not_permitted' });
    expect(await flushArp.run(testCall(recordedHost({}), 'arp.flush'))).toMatchObject({
      state: 'unsupported',
      code: 'no_ip',
    });
  });

  test('an entry that is older than the order was not forgotten; one that is younger was learned anew', async () => {
    const shown = '10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 STALE\n';
    const after = (used: string) => ({ stdout: `10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 used ${used} STALE\n` });
    const run = (used: string) =>
      flushArp.run(
        testCall(
          recordedHost({
            'ip neigh show': { stdout: shown },
            'ip neigh flush all': {},
            'ip -s neigh show': after(used),
          }),
          'arp.flush',
        ),
      );
    expect(await run('400/395/360')).toMatchObject({ state: 'failed', code: 'still_known' });
    expect(await run('0/395/0')).toMatchObject({
      state: 'succeeded',
      effects: ['1 learned anew since', 'forgot 10.0.0.1 at 02:00:00:00:00:01 on eth0'],
    });
    const blind = recordedHost({ 'ip neigh show': { stdout: shown }, 'ip neigh flush all': {} });
    expect(await flushArp.run(testCall(blind, 'arp.flush'))).toMatchObject({ state: 'failed', code: 'not_seen' });
  });
});
