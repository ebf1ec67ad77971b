import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type CoordinatorHeartbeat,
} from '@muster/messages';
import { newCoordinatorId, type CoordinatorId, type QueryId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { CoordinatorMonitor, OrphanReaper, type StoredQuery } from '@muster/service-base';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

let harness: CoordinatorHarness;
let reaper: OrphanReaper;
let running: StoredQuery[];
let interrupted: QueryId[];
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
  running = [];
  interrupted = [];
  const { clock, coordinatorId, monitor, hearing } = harness;
  reaper = new OrphanReaper({
    ...{ clock, monitor, hears: () => hearing.forMs !== undefined, logger: silentLogger, onResult: () => undefined },
    running: () => running,
    own: { coordinatorId, runs: (id) => harness.coordinator.get(id) !== undefined },
    interrupt: ({ record }) => {
      interrupted.push(record.id);
      running = running.filter((stored) => stored.record.id !== record.id);
      return Promise.resolve('interrupted');
    },
  });
  reaper.start();
});
afterEach(async () => {
  reaper.stop();
  await harness.close();
  if (harness.clock.pendingTimers > 0) throw new Error(`${harness.clock.pendingTimers} timers were left`);
});

const heartbeat = (coordinator: CoordinatorId, nowMs?: number): void => {
  const message: CoordinatorHeartbeat = {
    t: 'owner_beat',
    owner: coordinator,
    queries: [],
    operators: [],
    stopping: false,
    ...(nowMs === undefined ? {} : { nowMs }),
  };
  harness.connection.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(message));
};
const addRunning = (coordinator: CoordinatorId): QueryId => {
  const record = harness.record({ owner: coordinator, deadlineMs: harness.clock.now() + 600_000 });
  running.push({ record, seq: 1 });
  return record.id;
};

describe('orphan reaper', () => {
  test('ends the queries of a coordinator that is silent for 5 s and answers no ping', async () => {
    const coordinator = newCoordinatorId();
    const ids = [addRunning(coordinator), addRunning(coordinator)];
    heartbeat(coordinator);
    await harness.pass(4_000);
    expect(interrupted).toEqual([]);
    await harness.pass(2_000);
    expect(interrupted).toEqual(ids);
  });

  test('leaves the queries of a coordinator with heartbeats alone', async () => {
    const coordinator = newCoordinatorId();
    addRunning(coordinator);
    for (let i = 0; i < 20; i += 1) {
      heartbeat(coordinator);
      await harness.pass(1_000);
    }
    expect(interrupted).toEqual([]);
  });

  test('pings a silent coordinator first', async () => {
    const coordinator = newCoordinatorId();
    addRunning(coordinator);
    const subscription = harness.connection.bus.subscribe(SUBJECTS.coordinator(coordinator), (message) => {
      if (decodeBusMessage<GatewayRequest>(message.data, 'ping')) message.reply?.(encodeBusMessage({ t: 'ok' }));
    });
    await harness.pass(30_000);
    expect(interrupted).toEqual([]);
    subscription.unsubscribe();
    await harness.pass(7_000);
    expect(interrupted).toHaveLength(1);
  });

  test('gives the coordinator of a new query time for its first heartbeat', async () => {
    await harness.pass(60_000);
    addRunning(newCoordinatorId());
    await harness.pass(4_000);
    expect(interrupted).toEqual([]);
  });

  test('does not take its own lost connection for the silence of others', async () => {
    const coordinator = newCoordinatorId();
    addRunning(coordinator);
    heartbeat(coordinator);
    harness.broker.interrupt();
    await harness.pass(20_000);
    harness.broker.restore();
    await harness.pass(3_000);
    heartbeat(coordinator);
    await harness.pass(3_000);
    expect(interrupted).toEqual([]);
  });

  test('does not take a broker that stands still for the silence of others', async () => {
    const coordinator = newCoordinatorId();
    addRunning(coordinator);
    heartbeat(coordinator);
    // It does not hear itself either.
    harness.heartbeats.stop();
    await harness.pass(20_000);
    harness.heartbeats.start();
    await harness.pass(3_000);
    heartbeat(coordinator);
    await harness.pass(3_000);
    expect(interrupted).toEqual([]);
  });

  test('ends a query whose coordinator is gone at most 2 s after its deadline, also when it was heard just before', async () => {
    await harness.pass(10_000);
    const coordinator = newCoordinatorId();
    const record = harness.record({ owner: coordinator, deadlineMs: harness.clock.now() + 10_000 });
    running.push({ record, seq: 1 });
    for (let i = 0; i < 9; i += 1) {
      heartbeat(coordinator);
      await harness.pass(1_000);
    }
    await harness.pass(900);
    heartbeat(coordinator);
    await harness.pass(300);
    expect(interrupted).toEqual([]);
    await harness.pass(1_000);
    expect(interrupted).toEqual([record.id]);
  });

  test.each([
    ['behind', -3_000],
    ['ahead', 3_600_000],
  ])('judges a deadline by the clock of the coordinator that set it, with its own %s', async (_, offMs) => {
    await harness.pass(10_000);
    const coordinator = newCoordinatorId();
    // The clock of this process is off by so much against the coordinator's.
    const theirs = (): number => harness.clock.now() - offMs;
    const record = harness.record({ owner: coordinator, deadlineMs: theirs() + 10_000 });
    running.push({ record, seq: 1 });
    for (let i = 0; i < 8; i += 1) {
      heartbeat(coordinator, theirs());
      await harness.pass(1_000);
    }
    // Not heard for 1.9 s and without an answer, a moment before the deadline.
    heartbeat(coordinator, theirs());
    await harness.pass(1_900);
    expect(interrupted).toEqual([]);
    await harness.pass(1_500);
    expect(interrupted).toEqual([record.id]);
  });

  test('leaves an overdue query alone whose coordinator is heard, or answers', async () => {
    const [heard, silent] = [newCoordinatorId(), newCoordinatorId()];
    for (const owner of [heard, silent])
      running.push({ record: harness.record({ owner, deadlineMs: harness.clock.now() }), seq: 1 });
    harness.connection.bus.subscribe(SUBJECTS.coordinator(silent), (message) => {
      if (decodeBusMessage<GatewayRequest>(message.data, 'ping')) message.reply?.(encodeBusMessage({ t: 'ok' }));
    });
    for (let i = 0; i < 10; i += 1) {
      heartbeat(heard);
      await harness.pass(500);
    }
    expect(interrupted).toEqual([]);
  });

  test('gives coordinators time to connect again before an overdue query is ended', async () => {
    const record = harness.record({ owner: newCoordinatorId(), deadlineMs: harness.clock.now() });
    running.push({ record, seq: 1 });
    harness.broker.interrupt();
    await harness.pass(10_000);
    harness.broker.restore();
    await harness.pass(1_400);
    expect(interrupted).toEqual([]);
    await harness.pass(1_200);
    expect(interrupted).toEqual([record.id]);
  });

  test('does not take the silence of the broker for that of a coordinator', async () => {
    addRunning(newCoordinatorId());
    const { bus } = harness.connection;
    const frozen = {
      subscribe: bus.subscribe.bind(bus),
      request: () => Promise.resolve({ kind: 'timeout' as const }),
      flush: () => Promise.resolve(false),
    };
    const unsure = new CoordinatorMonitor({ bus: frozen as unknown as typeof bus, clock: harness.clock });
    expect(await unsure.isAlive(newCoordinatorId())).toBe(true);
    const sure = new CoordinatorMonitor({
      bus: { ...frozen, flush: () => Promise.resolve(true) } as unknown as typeof bus,
      clock: harness.clock,
    });
    expect(await sure.isAlive(newCoordinatorId())).toBe(false);
  });

  test('ends a query of its own that it does not run any more', async () => {
    harness.gateway('gw-a', [1]);
    const live = await harness.launch({ timeoutMs: 60_000 });
    running.push({ record: live, seq: 1 });
    const own = addRunning(harness.coordinatorId);
    await harness.pass(800);
    expect(interrupted).toEqual([own]);
  });
});

describe('coordinator heartbeats', () => {
  test('list what runs, in messages of a bounded size', async () => {
    harness.gateway('gw-a', [1]);
    const published: CoordinatorHeartbeat[] = [];
    harness.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      expect(data.length).toBeLessThan(512 * 1024);
      const message = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (message !== undefined) published.push(message);
    });
    const sql = `SELECT '${'x'.repeat(60_000)}'`;
    const ids: QueryId[] = [];
    for (let i = 0; i < 12; i += 1) ids.push((await harness.launch({ sql, operator: `op-${i}` })).id);
    published.length = 0;
    await harness.pass(1_000);
    expect(published.length).toBeGreaterThan(1);
    expect(published.flatMap((one) => one.queries.map((query) => query.id))).toEqual(ids);
    expect(published.flatMap((one) => one.operators.map(({ operator }) => operator))).toHaveLength(12);
  });

  test('count a query that is about to begin, but do not list it: a gateway must not start it yet', async () => {
    harness.gateway('gw-a', [1]);
    const published: CoordinatorHeartbeat[] = [];
    harness.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const message = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (message !== undefined) published.push(message);
    });
    const record = harness.record();
    const launched = harness.coordinator.launch(record);
    while (harness.coordinator.get(record.id) === undefined) await Promise.resolve();
    harness.clock.advance(1_000);
    await launched;
    await harness.pass(0);
    expect(published.map(({ operators, queries }) => [operators.length, queries.length])).toEqual([[1, 0]]);
    await harness.pass(1_000);
    expect(published.at(-1)?.queries.map(({ id }) => id)).toEqual([record.id]);
  });
});
