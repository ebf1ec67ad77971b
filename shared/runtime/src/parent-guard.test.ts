import { expect, test } from '@jest/globals';
import { FakeClock } from './testing/fake-clock.js';
import { watchParent } from './parent-guard.js';

function watch(pid: number) {
  const clock = new FakeClock();
  const system = { parent: 100, alive: new Set([100, 50]) };
  let gone = 0;
  const stop = watchParent({
    pid,
    clock,
    onGone: () => (gone += 1),
    system: { ppid: () => system.parent, exists: (id) => system.alive.has(id) },
  });
  return { clock, system, stop, gone: () => gone };
}

test('the end of the direct parent is noticed within a second by the changed parent id, once', () => {
  const { clock, system, gone } = watch(100);
  clock.advance(10_000);
  expect(gone()).toBe(0);
  // The id is in use again, by somebody else; only the adoption tells.
  system.parent = 1;
  clock.advance(1_000);
  expect(gone()).toBe(1);
  clock.advance(10_000);
  expect([gone(), clock.pendingTimers]).toEqual([1, 0]);
});

test('the end of a process further up is noticed by its id', () => {
  const { clock, system, gone } = watch(50);
  clock.advance(5_000);
  system.alive.delete(50);
  clock.advance(1_000);
  expect(gone()).toBe(1);
});

test('a parent that was gone before the watch began is noticed too', () => {
  const { clock, gone } = watch(77);
  clock.advance(1_000);
  expect(gone()).toBe(1);
});

test('an ended watch notices nothing', () => {
  const { clock, system, stop, gone } = watch(100);
  stop();
  system.parent = 1;
  clock.advance(5_000);
  expect([gone(), clock.pendingTimers]).toEqual([0, 0]);
});
