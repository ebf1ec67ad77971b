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
  told: AssignedMode;
  warnings: string[];
  spreads: number[];
  changes: () => number;
} {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const told = new AssignedMode({ folder, clock, logger });
  const spreads: number[] = [];
  told.start((spreadMs) => void spreads.push(spreadMs));
  return { clock, told, warnings, spreads, changes: () => spreads.length };
}

describe('the channel that was told', () => {
  test('is Live before anybody told, and is kept over restarts, readable by the agent alone', () => {
    const { told } = open();
    expect(told.setting).toEqual({ mode: 'live', intervalMs: MINUTE });
    told.tell(POLL_30S);
    expect(open().told.setting).toMatchObject({ mode: 'poll', intervalMs: 30_000 });
    expect(statSync(join(folder, 'mode.json')).mode & 0o777).toBe(0o600);
  });

  test('a lease ends by itself, and tells so', () => {
    const { changes, clock, told } = open();
    told.tell(LEASE);
    clock.advance(2 * HOUR - 1);
    expect([told.setting.mode, changes()]).toEqual(['live', 0]);
    clock.advance(1);
    expect(told.setting).toEqual({ mode: 'poll', intervalMs: 5 * MINUTE });
    expect(changes()).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    ['as it began', 100_000, 2 * HOUR, 100_000],
    ['over a minute', 0, 2 * HOUR, MINUTE],
    ['over a twentieth of a short one', 0, 10_000, 500],
  ])('a lease that many may have got ends spread %s', (_how, spreadMs, forMs, expected) => {
    const { clock, spreads, told } = open();
    told.tell({ ...LEASE, spreadMs, lease: { ...LEASE.lease!, forMs } });
    clock.advance(forMs);
    expect(spreads).toEqual([expected]);
  });

  test('nor do all end at one moment after restarts', () => {
    const clock = new FakeClock();
    open(clock).told.tell(LEASE);
    const { spreads } = open(clock);
    clock.advance(2 * HOUR);
    expect(spreads).toEqual([MINUTE]);
  });

  test('a lease of months ends when it is over, and not before', () => {
    const { changes, clock, told } = open();
    told.tell({ ...LEASE, lease: { ...LEASE.lease!, forMs: 60 * 24 * HOUR } });
    clock.advance(59 * 24 * HOUR);
    expect([told.setting.mode, changes()]).toEqual(['live', 0]);
    clock.advance(24 * HOUR);
    expect([told.setting.mode, changes()]).toEqual(['poll', 1]);
  });

  test('what is told later takes the place of a lease', () => {
    const { changes, clock, told } = open();
    told.tell(LEASE);
    told.tell({ ...LEASE, lease: undefined });
    clock.advance(3 * HOUR);
    expect([told.setting.mode, changes(), clock.pendingTimers]).toEqual(['live', 0, 0]);
  });

  test('a lease goes on over a restart, and one that ended meanwhile has ended', () => {
    const clock = new FakeClock();
    const first = open(clock);
    first.told.tell(LEASE);
    first.told.stop();
    const later = new FakeClock(clock.now() + HOUR);
    const second = open(later);
    expect(second.told.setting.mode).toBe('live');
    later.advance(HOUR);
    expect([second.told.setting.mode, second.changes()]).toEqual(['poll', 1]);
    expect(open(new FakeClock(clock.now() + 3 * HOUR)).told.setting.mode).toBe('poll');
  });

  test('a clock that was set back does not make a lease longer than it was given for', () => {
    const clock = new FakeClock();
    open(clock).told.tell(LEASE);
    const earlier = new FakeClock(clock.now() - 365 * 24 * HOUR);
    const { told } = open(earlier);
    earlier.advance(2 * HOUR);
    expect(told.setting.mode).toBe('poll');
  });

  test.each(['', '{', '{"mode":"live"}', '{"mode":"semaphore","intervalMs":60000}', '{"mode":"poll","intervalMs":1}'])(
    'a file with %j is as if it was never told, and can be told again',
    (text) => {
      writeFileSync(join(folder, 'mode.json'), text);
      const { told, warnings } = open();
      expect(told.setting.mode).toBe('live');
      expect(warnings).toHaveLength(1);
      told.tell(POLL_30S);
      expect(open().told.setting.mode).toBe('poll');
    },
  );

  test('the same said again is not written again', () => {
    const { told } = open();
    told.tell(POLL_30S);
    const before = statSync(join(folder, 'mode.json')).ino;
    told.tell({ ...POLL_30S, reason: 'another' });
    expect(statSync(join(folder, 'mode.json')).ino).toBe(before);
    told.tell({ ...POLL_30S, intervalMs: 40_000 });
    expect(JSON.parse(readFileSync(join(folder, 'mode.json'), 'utf8'))).toEqual({ mode: 'poll', intervalMs: 40_000 });
  });

  test('a folder that cannot be written costs no more than the memory of it', () => {
    const { told } = open();
    rmSync(folder, { recursive: true });
    told.tell(POLL_30S);
    expect(told.setting.mode).toBe('poll');
  });

  test('a pinned channel is what it is', () => {
    const pinned = pinnedMode('poll');
    pinned.tell({ ...POLL_30S, mode: 'live' });
    expect(pinned.setting).toEqual({ mode: 'poll', intervalMs: MINUTE });
    expect(pinned.fallsBack).toBe(false);
  });
});
