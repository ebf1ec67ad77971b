import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import { newCommandId, newCommandServiceId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { LiveInstances } from './live-instances.js';

function start(count: number) {
  const clock = new FakeClock();
  const broker = new MemoryBroker();
  const services = Array.from({ length: count }, () => {
    let changes = 0;
    const { bus } = broker.connect();
    const live = new LiveInstances<CommandServiceHeartbeat>({
      ...{ bus, clock, instance: newCommandServiceId() },
      ...{ subject: SUBJECTS.commandHeartbeats, kind: 'command_beat', details: () => ({ keys: 'list' }) },
      onChange: () => (changes += 1),
    });
    live.start();
    return { bus, live, changes: () => changes };
  });
  return { clock, services };
}
const ids = Array.from({ length: 300 }, () => newCommandId(1));

test('each key is owned by exactly one instance, and keys are spread evenly', async () => {
  const { clock, services } = start(3);
  await clock.advanceAsync(1_100);
  for (const id of ids) expect(services.filter(({ live }) => live.owns(id))).toHaveLength(1);
  for (const { live } of services) {
    expect(live.count).toBe(3);
    expect(ids.filter((id) => live.owns(id)).length).toBeGreaterThan(60);
    live.stop();
  }
});

test('only the keys of a silent instance move, after 3.5 s; those of a stopping one move at once', async () => {
  const { clock, services } = start(3);
  await clock.advanceAsync(1_100);
  const [one, two, three] = services;
  const before = ids.map((id) => services.findIndex(({ live }) => live.owns(id)));
  one!.bus.setConnected(false);
  await clock.advanceAsync(3_000);
  expect(two!.live.count).toBe(3);
  await clock.advanceAsync(2_000);
  expect(two!.live.count).toBe(2);
  ids.forEach((id, i) => {
    const owner = [two, three].findIndex((service) => service!.live.owns(id)) + 1;
    expect(owner).toBe(before[i] === 0 ? owner : before[i]);
  });
  const changes = three!.changes();
  two!.live.drain();
  await clock.advanceAsync(0);
  expect([three!.changes() - changes, three!.live.count]).toEqual([1, 1]);
  expect(ids.every((id) => three!.live.owns(id) && !two!.live.owns(id))).toBe(true);
  for (const { live } of services) live.stop();
});

test('an instance that stood still is not current until it has read what came meanwhile', async () => {
  const clock = new FakeClock();
  const { bus } = new MemoryBroker().connect();
  const unread: (() => void)[] = [];
  let reads = true;
  const live = new LiveInstances<CommandServiceHeartbeat>({
    ...{ clock, instance: newCommandServiceId(), onChange: () => {} },
    ...{ subject: SUBJECTS.commandHeartbeats, kind: 'command_beat', details: () => ({ keys: 'list' }) },
    bus: {
      publish: (subject, data) => bus.publish(subject, data),
      onConnectionChange: () => () => {},
      subscribe: (subject, handler) =>
        bus.subscribe(subject, (message) => (reads ? handler(message) : unread.push(() => handler(message)))),
    },
  });
  live.start();
  expect(live.isCurrent).toBe(false);
  await clock.advanceAsync(1_100);
  expect(live.isCurrent).toBe(true);
  reads = false;
  await clock.advanceAsync(10_000);
  expect(live.isCurrent).toBe(false);
  unread.shift()!();
  expect(live.isCurrent).toBe(false);
  for (const read of unread) read();
  expect(live.isCurrent).toBe(true);
  live.stop();
});
