import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type CoordinatorHeartbeat,
} from '@muster/messages';
import { newCoordinatorId, type CoordinatorId, type QueryId } from '@muster/protocol';
import { createMetrics, silentLogger } from '@muster/runtime';
import type { StoredQuery } from '../results/query-record-store.js';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';
import { OrphanReaper, livenessMetrics } from './orphan-reaper.js';

let harness: CoordinatorHarness;
let reaper: OrphanReaper;
let running: StoredQuery[];
let interrupted: QueryId[];
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
  running = [];
  interrupted = [];
  const { clock, coordinatorId, heartbeats, hearing } = harness;
  const { bus } = harness.connection;
  reaper = new OrphanReaper({
    ...{
      bus,
      coordinatorId,
      clock,
      heartbeats,
      hearing,
      logger: silentLogger,
      metrics: livenessMetrics(createMetrics('query')),
    },
    running: () => running,
    isOwn: (id) => harness.coordinator.get(id) !== undefined,
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

const heartbeat = (coordinator: CoordinatorId): void => {
  const message: CoordinatorHeartbeat = {
    t: 'owner_beat',
    owner: coordinator,
    queries: [],
    operators: [],
    stopping: false,
  };
  harness.connection.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(message));
};
const addRunning = (coordinator: CoordinatorId): QueryId => {
  const record = harness.record({ owner: coordinator });
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

  test('ends a query of its own that it does not run any more', async () => {
    harness.gateway('gw-a', [1]);
    const live = await harness.launch({ timeoutMs: 60_000 });
    running.push({ record: live, seq: 1 });
    const own = addRunning(harness.coordinatorId);
    await harness.pass(8_000);
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
