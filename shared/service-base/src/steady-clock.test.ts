import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat, type CoordinatorHeartbeat } from '@muster/messages';
import type { CommandServiceId, CoordinatorId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { PeerClocks } from './peer-clocks.js';
import { SteadyClock } from './steady-clock.js';

const HOUR_MS = 3_600_000;
const START_MS = 1_700_000_000_000;

let machine: FakeClock;
let broker: MemoryBroker;
let clock: SteadyClock;
let peers: PeerClocks;
let sets: number[];
/** How far the clocks of others are ahead of the true time. */
let others: { aheadMs: number; lateMs?: number; beats: boolean }[];

beforeEach(async () => {
  machine = new FakeClock(START_MS);
  broker = new MemoryBroker();
  others = [];
  sets = [];
  await open();
});
afterEach(() => {
  clock.stop();
  peers.stop();
});

async function open(): Promise<void> {
  const { bus } = broker.connect();
  peers = new PeerClocks({ bus, clock: machine, self: 'self', kinds: ['query', 'command'] });
  clock = new SteadyClock({ clock: machine, peers, logger: silentLogger, onSet: (byMs) => void sets.push(byMs) });
  peers.start();
  clock.start();
  await machine.advanceAsync(0);
}

const trueMs = (): number => START_MS + machine.monotonic();

/** Time passes, and all others send their heartbeats. */
async function pass(ms: number): Promise<void> {
  const { bus } = broker.connect();
  for (let passed = 0; passed < ms; passed += 1_000) {
    for (const [i, { aheadMs, lateMs = 0, beats }] of others.entries()) {
      if (!beats) continue;
      const nowMs = trueMs() + aheadMs - lateMs;
      const command: Partial<CommandServiceHeartbeat> = {
        t: 'command_beat',
        instance: `c-${i}` as CommandServiceId,
        nowMs,
      };
      const coordinator: Partial<CoordinatorHeartbeat> = { t: 'owner_beat', owner: `q-${i}` as CoordinatorId, nowMs };
      if (i % 2 === 0) bus.publish(SUBJECTS.commandHeartbeats, encodeBusMessage(command as CommandServiceHeartbeat));
      else bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(coordinator as CoordinatorHeartbeat));
    }
    await machine.advanceAsync(Math.min(1_000, ms - passed));
  }
}
const offMs = (): number => clock.now() - trueMs();

test.each([HOUR_MS, -HOUR_MS])('a jump of %i ms changes nothing while others have the time of before', async (byMs) => {
  others = [
    { aheadMs: 0, beats: true },
    { aheadMs: 300, beats: true },
    { aheadMs: byMs, beats: true },
  ];
  await pass(20_000);
  machine.jump(byMs);
  expect(offMs()).toBe(0);
  await pass(2 * HOUR_MS);
  expect([offMs(), sets]).toEqual([0, []]);
  machine.jump(-byMs);
  await pass(1_000);
  expect([offMs(), sets, clock.steadyForMs]).toEqual([0, [], Number.POSITIVE_INFINITY]);
});

test('the new time counts as soon as most others have it: then nothing is known since before', async () => {
  others = Array.from({ length: 3 }, () => ({ aheadMs: 0, beats: true }));
  await pass(20_000);
  // The machine was suspended: its monotonic clock stood still, and what waited for it is read first.
  machine.jump(HOUR_MS);
  for (const other of others) other.lateMs = HOUR_MS;
  for (const other of others) other.aheadMs = HOUR_MS;
  await pass(1_000);
  for (const other of others) other.lateMs = 0;
  expect(offMs()).toBe(0);
  await pass(5_000);
  expect([offMs(), sets]).toEqual([HOUR_MS, [HOUR_MS]]);
  expect(clock.steadyForMs).toBeLessThan(5_000);
});

test('where nobody says anything the new time counts after five minutes, of the monotonic clock', async () => {
  await pass(20_000);
  machine.jump(HOUR_MS);
  await pass(299_000);
  expect(offMs()).toBe(0);
  await pass(2_000);
  expect([offMs(), sets]).toEqual([HOUR_MS, [HOUR_MS]]);
});

test('one peer that has the time of before is enough to doubt', async () => {
  others = [{ aheadMs: 0, beats: true }];
  await pass(20_000);
  machine.jump(HOUR_MS);
  await pass(HOUR_MS);
  expect(offMs()).toBe(0);
});

test('a clock that is slewed, or set by less than two seconds, is followed at once', async () => {
  others = [{ aheadMs: 0, beats: true }];
  for (let i = 1; i <= 3; i += 1) {
    machine.jump(1_500);
    expect(offMs()).toBe(i * 1_500);
  }
  expect(sets).toEqual([]);
});

test('a process that starts with a wrong clock takes the time of the others that agree with each other', async () => {
  clock.stop();
  peers.stop();
  machine.jump(HOUR_MS);
  await open();
  others = Array.from({ length: 3 }, () => ({ aheadMs: 0, beats: true }));
  expect(offMs()).toBe(HOUR_MS);
  await pass(1_000);
  expect([offMs(), sets]).toEqual([0, [-HOUR_MS]]);
  await pass(HOUR_MS);
  expect(offMs()).toBe(0);
});

test('what it says itself is no word of another', async () => {
  others = [];
  machine.jump(HOUR_MS);
  const { bus } = broker.connect();
  for (let i = 0; i < 60; i += 1) {
    clock.now();
    const beat = { t: 'command_beat', instance: 'self', stopping: false, keys: '', nowMs: machine.now() };
    bus.publish(SUBJECTS.commandHeartbeats, encodeBusMessage(beat as never));
    await machine.advanceAsync(1_000);
  }
  expect(offMs()).toBe(0);
});
