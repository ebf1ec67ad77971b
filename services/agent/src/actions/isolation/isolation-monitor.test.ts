import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime/program';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { testHost, playback, runAction, type RecordedRun } from '../testing/action-harness.js';
import { IsolationMonitor } from './isolation-monitor.js';

const LOOK_MS = 15_000;
const list: RecordedRun = { argv: ['nft', 'list', 'tables'] };
const listTable: RecordedRun = { argv: ['nft', 'list', 'table', 'inet', 'muster_isolation'] };
/** What nft shows of rules in force. */
const inForce: RecordedRun = { ...listTable, stdout: 'hook input hook output hook forward ipv4 timeout ipv6 timeout' };
const isGone: RecordedRun = { ...listTable, code: 1, stderr: 'Error: No such file or directory' };
const drop: RecordedRun = { argv: ['nft', 'delete', 'table', 'inet', 'muster_isolation'] };
/** Expects rules that contain all `parts`. */
const load = (...parts: string[]): RecordedRun => ({
  argv: ['nft', '-f', '-'],
  input: (text) => parts.every((part) => text.includes(part)),
});

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'monitor-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

describe('the isolation monitor', () => {
  test('applies new gateway addresses for the remaining time, and ends the isolation in time', async () => {
    const clock = new FakeClock();
    let address = '203.0.113.1';
    const run = playback([
      list,
      load('203.0.113.1 . 443', 'timeout 60s'),
      inForce,
      load('203.0.113.2 . 443', 'timeout 30s'),
      inForce,
      listTable,
      drop,
      isGone,
    ]);
    const host = testHost({ dataDir, run, clock, gatewayPeers: () => [{ host: address, port: 443 }] });
    const monitor = new IsolationMonitor(host);
    await monitor.start();
    expect(await runAction(host, 'host.isolate', { params: { releaseAfter: '60s' } })).toMatchObject({
      state: 'succeeded',
    });
    await clock.advanceAsync(LOOK_MS);
    expect(run.rest).toHaveLength(5);
    address = '203.0.113.2';
    clock.advance(LOOK_MS);
    await eventually(() => run.rest.length === 3);
    clock.advance(LOOK_MS * 2);
    await eventually(() => !existsSync(join(dataDir, 'isolation.json')));
    expect(run.rest).toEqual([]);
    monitor.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  test('says that the host is not isolated, or still is, when nft ends well and the kernel shows something else', async () => {
    const run = playback([list, load(), { ...listTable, stdout: 'hook input' }, listTable, drop, listTable]);
    const host = testHost({ dataDir, run, gatewayPeers: () => [{ host: '203.0.113.1', port: 443 }] });
    const isolated = await runAction(host, 'host.isolate', { params: {} });
    expect(isolated).toMatchObject({ state: 'failed', code: 'not_isolated' });
    expect(await runAction(host, 'host.release', { params: {} })).toMatchObject({
      state: 'failed',
      code: 'still_isolated',
    });
    expect(run.rest).toEqual([]);
  });

  test('tries again when the rules cannot be applied at the start, and lets the agent start', async () => {
    const clock = new FakeClock();
    let peers = [{ host: '203.0.113.1', port: 443 }];
    const run = playback([list, load('timeout 60s'), inForce, load('timeout 45s'), inForce]);
    const errors: unknown[] = [];
    const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
    const host = testHost({ dataDir, run, clock, logger, gatewayPeers: () => peers });
    await runAction(host, 'host.isolate', { params: { releaseAfter: '60s' } });
    peers = [];
    const monitor = new IsolationMonitor(host);
    await monitor.start();
    expect(errors).toHaveLength(1);
    peers = [{ host: '203.0.113.1', port: 443 }];
    clock.advance(LOOK_MS);
    await eventually(() => run.rest.length === 0);
    monitor.stop();
  });
});
