import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { newCommandId, newCommandServiceId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { LiveServices } from './live-services.js';

function start(count: number) {
  const clock = new FakeClock();
  const broker = new MemoryBroker();
  const services = Array.from({ length: count }, () => {
    let changes = 0;
    const { bus } = broker.connect();
    const live = new LiveServices({
      ...{ bus, clock, instance: newCommandServiceId(), keyList: () => 'list' },
      onChange: () => (changes += 1),
    });
    live.start();
    return { bus, live, changes: () => changes };
  });
  return { clock, services };
}
const ids = Array.from({ length: 300 }, () => newCommandId(1));

test('each command is reconciled by exactly one service, and commands are spread evenly', async () => {
  const { clock, services } = start(3);
  await clock.advanceAsync(1_100);
  for (const id of ids) expect(services.filter(({ live }) => live.reconciles(id))).toHaveLength(1);
  for (const { live } of services) {
    expect(live.count).toBe(3);
    expect(ids.filter((id) => live.reconciles(id)).length).toBeGreaterThan(60);
    live.stop();
  }
});

test('only the commands of a silent service move, after 3.5 s; those of a stopping service move at once', async () => {
  const { clock, services } = start(3);
  await clock.advanceAsync(1_100);
  const [one, two, three] = services;
  const before = ids.map((id) => services.findIndex(({ live }) => live.reconciles(id)));
  one!.bus.setConnected(false);
  await clock.advanceAsync(3_000);
  expect(two!.live.count).toBe(3);
  await clock.advanceAsync(2_000);
  expect(two!.live.count).toBe(2);
  ids.forEach((id, i) => {
    const reconciler = [two, three].findIndex((service) => service!.live.reconciles(id)) + 1;
    expect(reconciler).toBe(before[i] === 0 ? reconciler : before[i]);
  });
  const changes = three!.changes();
  two!.live.drain();
  await clock.advanceAsync(0);
  expect([three!.changes() - changes, three!.live.count]).toEqual([1, 1]);
  expect(ids.every((id) => three!.live.reconciles(id) && !two!.live.reconciles(id))).toBe(true);
  for (const { live } of services) live.stop();
});
