import { expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { CourtesyPauses } from './courtesy-pauses.js';

function create() {
  const clock = new FakeClock();
  const worker = { pid: 1, stands: false, isDiskFull: false };
  const tell = (stands: boolean): boolean => {
    if (!worker.isDiskFull) worker.stands = stands;
    return !worker.isDiskFull;
  };
  const machine = { share: 1 };
  const pauses = new CourtesyPauses({
    worker: { pid: 1, pause: () => tell(true), resume: () => tell(false) },
    load: { othersShare: () => machine.share, onBattery: () => false },
    clock,
  });
  return { clock, worker, machine, pauses };
}

test('a worker that cannot be told to go on counts as standing still, and is told as soon as it can be', () => {
  const { clock, worker, machine, pauses } = create();
  clock.advance(1_000);
  expect([worker.stands, pauses.isPaused]).toEqual([true, true]);
  machine.share = 0;
  worker.isDiskFull = true;
  clock.advance(5_000);
  expect([worker.stands, pauses.isPaused, pauses.pausedMs]).toEqual([true, true, 5_000]);
  worker.isDiskFull = false;
  clock.advance(1_000);
  expect([worker.stands, pauses.isPaused, pauses.pausedMs]).toEqual([false, false, 6_000]);
});

test('also when its pauses have ended for good', () => {
  const { clock, worker, pauses } = create();
  clock.advance(1_000);
  worker.isDiskFull = true;
  pauses.stop();
  clock.advance(3_000);
  expect([worker.stands, pauses.isPaused]).toEqual([true, true]);
  worker.isDiskFull = false;
  clock.advance(1_000);
  expect([worker.stands, pauses.isPaused, pauses.pausedMs]).toEqual([false, false, 4_000]);
  clock.advance(10_000);
  expect([worker.stands, clock.pendingTimers]).toEqual([false, 0]);
});
