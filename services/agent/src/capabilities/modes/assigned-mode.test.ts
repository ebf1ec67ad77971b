import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ModeBody } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { pinnedMode, AssignedMode } from './assigned-mode.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const POLL_30S: ModeBody = { mode: 'poll', intervalMs: 30_000, reason: 'quiet', spreadMs: 0 };
const LEASE: ModeBody = {
  mode: 'live',
  intervalMs: MINUTE,
  reason: 'incident',
  spreadMs: 0,
  lease: { forMs: 2 * HOUR, next: { mode: 'poll', intervalMs: 5 * MINUTE } },
};

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-mode-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(clock = new FakeClock()): {
  clock: FakeClock;
  mode: AssignedMode;
  warnings: string[];
  spreads: number[];
  changes: () => number;
} {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const mode = new AssignedMode({ folder, clock, logger });
  const spreads: number[] = [];
  mode.start((spreadMs) => void spreads.push(spreadMs));
  return { clock, mode, warnings, spreads, changes: () => spreads.length };
}

function assign(mode: AssignedMode, body: ModeBody): void {
  mode.ready(
    { mode: 'live', serverTimeMs: 1, send: () => 'sent' },
    { agentId: 'a', epoch: 1, heartbeatMs: 1_000, labels: {}, mode: body },
  );
}

describe('the assigned mode', () => {
  test('is Live until one is assigned, and is kept over restarts, readable by the agent alone', () => {
    const { mode } = open();
    expect(mode.setting).toEqual({ mode: 'live', intervalMs: MINUTE });
    assign(mode, POLL_30S);
    expect(open().mode.setting).toMatchObject({ mode: 'poll', intervalMs: 30_000 });
    expect(statSync(join(folder, 'mode.json')).mode & 0o777).toBe(0o600);
  });

  test('a lease ends by itself and reports the change', () => {
    const { changes, clock, mode } = open();
    assign(mode, LEASE);
    clock.advance(2 * HOUR - 1);
    expect([mode.setting.mode, changes()]).toEqual(['live', 0]);
    clock.advance(1);
    expect(mode.setting).toEqual({ mode: 'poll', intervalMs: 5 * MINUTE });
    expect(changes()).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    ['as it began', 100_000, 2 * HOUR, 100_000],
    ['over a minute', 0, 2 * HOUR, MINUTE],
    ['over a twentieth of a short one', 0, 10_000, 500],
  ])('the end of a lease that many agents may have is spread %s', (_how, spreadMs, forMs, expected) => {
    const { clock, spreads, mode } = open();
    assign(mode, { ...LEASE, spreadMs, lease: { ...LEASE.lease!, forMs } });
    clock.advance(forMs);
    expect(spreads).toEqual([expected]);
  });

  test('leases do not all end together after restarts either', () => {
    const clock = new FakeClock();
    assign(open(clock).mode, LEASE);
    const { spreads } = open(clock);
    clock.advance(2 * HOUR);
    expect(spreads).toEqual([MINUTE]);
  });

  test('a lease of months ends when it is over, and not before', () => {
    const { changes, clock, mode } = open();
    assign(mode, { ...LEASE, lease: { ...LEASE.lease!, forMs: 60 * 24 * HOUR } });
    clock.advance(59 * 24 * HOUR);
    expect([mode.setting.mode, changes()]).toEqual(['live', 0]);
    clock.advance(24 * HOUR);
    expect([mode.setting.mode, changes()]).toEqual(['poll', 1]);
  });

  test('a later assignment replaces a lease', () => {
    const { changes, clock, mode } = open();
    assign(mode, LEASE);
    assign(mode, { ...LEASE, lease: undefined });
    clock.advance(3 * HOUR);
    expect([mode.setting.mode, changes(), clock.pendingTimers]).toEqual(['live', 0, 0]);
  });

  test('a lease goes on over a restart, and one that ended meanwhile has ended', () => {
    const clock = new FakeClock();
    const first = open(clock);
    assign(first.mode, LEASE);
    first.mode.stop();
    const later = new FakeClock(clock.now() + HOUR);
    const second = open(later);
    expect(second.mode.setting.mode).toBe('live');
    later.advance(HOUR);
    expect([second.mode.setting.mode, second.changes()]).toEqual(['poll', 1]);
    expect(open(new FakeClock(clock.now() + 3 * HOUR)).mode.setting.mode).toBe('poll');
  });

  test('a clock that was set back does not make a lease longer than it was given for', () => {
    const clock = new FakeClock();
    assign(open(clock).mode, LEASE);
    const earlier = new FakeClock(clock.now() - 365 * 24 * HOUR);
    const { mode } = open(earlier);
    earlier.advance(2 * HOUR);
    expect(mode.setting.mode).toBe('poll');
  });

  test.each(['', '{', '{"mode":"live"}', '{"mode":"semaphore","intervalMs":60000}', '{"mode":"poll","intervalMs":1}'])(
    'a file with %j counts as no assignment, and the next one is stored',
    (text) => {
      writeFileSync(join(folder, 'mode.json'), text);
      const { mode, warnings } = open();
      expect(mode.setting.mode).toBe('live');
      expect(warnings).toHaveLength(1);
      assign(mode, POLL_30S);
      expect(open().mode.setting.mode).toBe('poll');
    },
  );

  test('the same assignment is not written twice', () => {
    const { mode } = open();
    assign(mode, POLL_30S);
    const before = statSync(join(folder, 'mode.json')).ino;
    assign(mode, { ...POLL_30S, reason: 'another' });
    expect(statSync(join(folder, 'mode.json')).ino).toBe(before);
    assign(mode, { ...POLL_30S, intervalMs: 40_000 });
    expect(JSON.parse(readFileSync(join(folder, 'mode.json'), 'utf8'))).toEqual({ mode: 'poll', intervalMs: 40_000 });
  });

  test('without a writable folder the assignment lasts until a restart', () => {
    const { mode } = open();
    rmSync(folder, { recursive: true });
    assign(mode, POLL_30S);
    expect(mode.setting.mode).toBe('poll');
  });

  test('a pinned mode takes no assignment', () => {
    const pinned = pinnedMode('poll');
    expect([pinned.flags(), pinned.frames]).toEqual([[], undefined]);
    expect(pinned.setting).toEqual({ mode: 'poll', intervalMs: MINUTE });
    expect(pinned.fallsBack).toBe(false);
  });
});
