import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ResultEvent } from '@muster/records';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

let harness: CoordinatorHarness;
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
});
afterEach(async () => {
  await harness.close();
  if (harness.clock.pendingTimers > 0) throw new Error(`${harness.clock.pendingTimers} timers were left`);
});

const of = <T extends ResultEvent['t']>(events: ResultEvent[], kind: T) =>
  events.filter((event): event is ResultEvent & { t: T } => event.t === kind);

describe('a running query', () => {
  test('finds a dead gateway when it has been silent for a moment, and ends without it', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    const record = await harness.launch();
    a.answer(1);
    b.answer(3);
    await harness.settle();
    a.die();
    await harness.pass(1_000);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    await harness.pass(1_000);
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { answered: 2, unreachable: 1 } });
    // It still has a lease, but later queries do not wait for it.
    const next = await harness.launch();
    b.answer(3);
    await harness.settle();
    expect(await harness.ended(next)).toMatchObject({ ledger: { targeted: 1, answered: 1 } });
  });

  test('a gateway that answers pings is not dead, however few updates it sends', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    const record = await harness.launch();
    await harness.pass(9_000);
    gateway.answer(1);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ ledger: { answered: 1 } });
  });

  test('a frozen gateway is dead after as long as a lease lasts', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    const record = await harness.launch({ timeoutMs: 60_000 });
    harness.freeze(gateway);
    await harness.pass(14_000);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    await harness.pass(1_500);
    expect(await harness.ended(record)).toMatchObject({ ledger: { unreachable: 1 } });
  });

  test('a gateway that is heard again is waited for again', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    const record = await harness.launch({ timeoutMs: 60_000, mode: 'raw' });
    a.answer(1);
    harness.freeze(a);
    for (let s = 0; s < 16; s += 1) {
      await harness.pass(1_000);
      b.keepAlive();
    }
    expect(of(await harness.events(record), 'progress').at(-1)?.ledger).toMatchObject({ answered: 1, unreachable: 1 });
    a.sendHeartbeat();
    await harness.pass(300);
    expect(of(await harness.events(record), 'progress').at(-1)?.ledger).toMatchObject({ waiting: 2, unreachable: 0 });
    a.answer(2);
    b.answer(3);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { targeted: 3, answered: 3 } });
  });

  test('does not wait for a gateway that has said goodbye', async () => {
    const [a, b] = [harness.gateway('gw-a', [1]), harness.gateway('gw-b', [2])];
    a.sendHeartbeat({ stopped: true });
    a.die();
    await harness.settle();
    const record = await harness.launch();
    b.answer(2);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { targeted: 1, answered: 1 } });
  });

  test('needs no registry to know whom to wait for', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    harness.registry.store.available = false;
    const record = await harness.launch();
    gateway.answer(1);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { targeted: 1, answered: 1 } });
  });

  test('when nothing is known yet, it gives gateways time for a first update', async () => {
    harness.registry.store.available = false;
    harness.broker.interrupt();
    await harness.pass(1_000);
    harness.broker.restore();
    await harness.pass(1_000);
    const record = await harness.launch();
    await harness.pass(1_500);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    await harness.pass(2_000);
    expect(await harness.ended(record)).toMatchObject({ state: 'complete' });
  });

  test('a registry that was emptied just before does not tell that nobody is there', async () => {
    harness.registry.store.empty();
    harness.broker.interrupt();
    await harness.pass(1_000);
    harness.broker.restore();
    await harness.pass(1_000);
    const record = await harness.launch();
    await harness.pass(300);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    const gateway = harness.gateway('gw-a', [1]);
    gateway.sendHeartbeat();
    await harness.pass(1_000);
    gateway.answer(1);
    await harness.pass(3_000);
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 1, answered: 1 } });
  });

  test('a broker that stood still is not the death of gateways, and their endpoints are no less the targets', async () => {
    const [a, b] = [harness.gateway('gw-a', [1]), harness.gateway('gw-b', [2])];
    const running = await harness.launch({ timeoutMs: 60_000 });
    // Nobody hears anybody.
    harness.broker.interrupt();
    await harness.pass(4_000);
    harness.broker.restore();
    await harness.pass(100);
    const record = await harness.launch();
    expect([a.starts.length, b.starts.length]).toEqual([2, 2]);
    a.answer(1);
    await harness.settle();
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    b.answer(2);
    await harness.pass(4_500);
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 2, answered: 2 } });
    expect(of(await harness.events(running), 'progress').at(-1)?.ledger).toMatchObject({ waiting: 2, unreachable: 0 });
  });

  test('endpoints of a gateway that was lost a moment ago are unreachable, not offline, also in later queries', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    harness.lost = [1, 2].map((num) => ({ num, at: 'gw-a' }));
    harness.freeze(a);
    for (let s = 0; s < 16; s += 1) {
      await harness.pass(1_000);
      b.sendHeartbeat();
    }
    const record = await harness.launch();
    b.answer(3);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 3, answered: 1, unreachable: 2 } });
    expect(of(await harness.events(record), 'failures').flatMap((event) => event.failures)).toEqual([
      [1, 'unreachable', 'gateway_lost', expect.any(String)],
      [2, 'unreachable', 'gateway_lost', expect.any(String)],
    ]);
  });

  test('endpoints of a gateway that did not speak before the deadline are unreachable', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    harness.lost = [1, 2].map((num) => ({ num, at: 'gw-a' }));
    harness.freeze(a);
    const record = await harness.launch({ timeoutMs: 2_000 });
    b.answer(3);
    await harness.pass(2_400);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    await harness.pass(200);
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 3, answered: 1, unreachable: 2 } });
  });

  test('a gateway that had no time to speak before the query was cancelled is not silent', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    harness.lost = [1, 2].map((num) => ({ num, at: 'gw-a' }));
    harness.freeze(a);
    const record = await harness.launch();
    b.answer(3);
    await harness.settle();
    harness.coordinator.get(record.id)?.end('cancelled');
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({
      state: 'cancelled',
      ledger: { targeted: 3, answered: 1, unreachable: 0, timed_out: 2 },
    });
    expect(of(await harness.events(record), 'failures').flatMap((event) => event.failures)).toEqual([
      [1, 'timed_out', 'cancelled', expect.any(String)],
      [2, 'timed_out', 'cancelled', expect.any(String)],
    ]);
  });

  test('says so when nobody can tell whom a lost gateway held', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    harness.lost = undefined;
    harness.freeze(gateway);
    const record = await harness.launch({ timeoutMs: 2_000 });
    await harness.pass(2_600);
    expect(await harness.ended(record)).toMatchObject({
      ledger: { targeted: 0 },
      truncated: expect.stringContaining('do not say whom they ask'),
    });
  });

  test('a lost gateway that is heard while the query runs is waited for, and its endpoints count once', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    harness.lost = [1, 2].map((num) => ({ num, at: 'gw-a' }));
    harness.freeze(a);
    for (let s = 0; s < 16; s += 1) {
      await harness.pass(1_000);
      b.sendHeartbeat();
    }
    const record = await harness.launch({ mode: 'raw', timeoutMs: 60_000 });
    a.frozen = false;
    // Its next sign of life; it learns of the query from the heartbeat of the coordinator.
    a.sendHeartbeat();
    b.answer(3);
    await harness.pass(1_000);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    a.answer(1, 2);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 3, answered: 3 } });
  });
});
