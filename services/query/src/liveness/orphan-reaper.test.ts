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
import { livenessMetrics } from './liveness-metrics.js';
import { OrphanReaper } from './orphan-reaper.js';
import { CoordinatorHeartbeats } from './coordinator-heartbeats.js';

let harness: CoordinatorHarness;
let heartbeats: CoordinatorHeartbeats;
let reaper: OrphanReaper;
let running: StoredQuery[];
let interrupted: QueryId[];
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
  running = [];
  interrupted = [];
  const { clock, coordinatorId } = harness;
  const { bus } = harness.connection;
  heartbeats = new CoordinatorHeartbeats({ bus, coordinatorId, clock, active: () => harness.coordinator.all() });
  reaper = new OrphanReaper({
    ...{
      bus,
      coordinatorId,
      clock,
      heartbeats,
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
  heartbeats.start();
  reaper.start();
});
afterEach(async () => {
  reaper.stop();
  heartbeats.stop();
  await harness.close();
  if (harness.clock.pendingTimers > 0) throw new Error(`${harness.clock.pendingTimers} timers were left`);
});

const beat = (owner: CoordinatorId): void => {
  const message: CoordinatorHeartbeat = { t: 'owner_beat', owner, queries: [], operators: [], stopping: false };
  harness.connection.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(message));
};
const runs = (owner: CoordinatorId): QueryId => {
  const record = harness.record({ owner });
  running.push({ record, seq: 1 });
  return record.id;
};

describe('orphan reaper', () => {
  test('ends the queries of an owner that is silent for 5 s and answers no question', async () => {
    const owner = newCoordinatorId();
    const ids = [runs(owner), runs(owner)];
    beat(owner);
    await harness.pass(4_000);
    expect(interrupted).toEqual([]);
    await harness.pass(2_000);
    expect(interrupted).toEqual(ids);
  });

  test('leaves the queries of an owner that beats alone', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    for (let i = 0; i < 20; i += 1) {
      beat(owner);
      await harness.pass(1_000);
    }
    expect(interrupted).toEqual([]);
  });

  test('asks before it believes silence', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    const subscription = harness.connection.bus.subscribe(SUBJECTS.coordinator(owner), (message) => {
      if (decodeBusMessage<GatewayRequest>(message.data, 'ping')) message.reply?.(encodeBusMessage({ t: 'ok' }));
    });
    await harness.pass(30_000);
    expect(interrupted).toEqual([]);
    subscription.unsubscribe();
    await harness.pass(7_000);
    expect(interrupted).toHaveLength(1);
  });

  test('gives a query that was just kept time to be heard of', async () => {
    await harness.pass(60_000);
    runs(newCoordinatorId());
    await harness.pass(4_000);
    expect(interrupted).toEqual([]);
  });

  test('does not take its own lost connection for the silence of others', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    beat(owner);
    harness.broker.interrupt();
    await harness.pass(20_000);
    harness.broker.restore();
    await harness.pass(3_000);
    beat(owner);
    await harness.pass(3_000);
    expect(interrupted).toEqual([]);
  });

  test('ends a query of its own that it does not run any more', async () => {
    harness.gateway('gw-a', [1]);
    const live = await harness.launch({ timeoutMs: 60_000 });
    running.push({ record: live, seq: 1 });
    const given = runs(harness.coordinatorId);
    await harness.pass(8_000);
    expect(interrupted).toEqual([given]);
  });
});

describe('owner beats', () => {
  test('say what runs, in messages of a bounded size', async () => {
    harness.gateway('gw-a', [1]);
    const said: CoordinatorHeartbeat[] = [];
    harness.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      expect(data.length).toBeLessThan(512 * 1024);
      const heard = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heard !== undefined) said.push(heard);
    });
    const sql = `SELECT '${'x'.repeat(60_000)}'`;
    const ids: QueryId[] = [];
    for (let i = 0; i < 12; i += 1) ids.push((await harness.launch({ sql, operator: `op-${i}` })).id);
    said.length = 0;
    await harness.pass(1_000);
    expect(said.length).toBeGreaterThan(1);
    expect(said.flatMap((one) => one.queries.map((query) => query.id))).toEqual(ids);
    expect(said.flatMap((one) => one.operators.map(({ operator }) => operator))).toHaveLength(12);
  });

  test('count a query that is about to begin, and do not name it: who is told of it then reports to nobody', async () => {
    harness.gateway('gw-a', [1]);
    const said: CoordinatorHeartbeat[] = [];
    harness.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const heard = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heard !== undefined) said.push(heard);
    });
    const record = harness.record();
    const launched = harness.coordinator.launch(record);
    while (harness.coordinator.get(record.id) === undefined) await Promise.resolve();
    harness.clock.advance(1_000);
    await launched;
    await harness.pass(0);
    expect(said.map(({ operators, queries }) => [operators.length, queries.length])).toEqual([[1, 0]]);
    await harness.pass(1_000);
    expect(said.at(-1)?.queries.map(({ id }) => id)).toEqual([record.id]);
  });
});
