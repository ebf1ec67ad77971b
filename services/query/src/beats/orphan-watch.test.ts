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
import type { KeptQuery } from '../records/query-records.js';
import { OwnerLab } from '../testing/owner-lab.js';
import { beatMetrics } from './beat-metrics.js';
import { OrphanWatch } from './orphan-watch.js';
import { CoordinatorHeartbeats } from './coordinator-heartbeats.js';

let lab: OwnerLab;
let beats: CoordinatorHeartbeats;
let watch: OrphanWatch;
let running: KeptQuery[];
let interrupted: QueryId[];
beforeEach(async () => {
  lab = await new OwnerLab().open();
  running = [];
  interrupted = [];
  const { clock, ownerId } = lab;
  const { bus } = lab.connection;
  beats = new CoordinatorHeartbeats({ bus, ownerId, clock, active: () => lab.owned.all() });
  watch = new OrphanWatch({
    ...{ bus, ownerId, clock, beats, logger: silentLogger, metrics: beatMetrics(createMetrics('query')) },
    running: () => running,
    isOurs: (id) => lab.owned.get(id) !== undefined,
    interrupt: ({ record }) => {
      interrupted.push(record.id);
      running = running.filter((kept) => kept.record.id !== record.id);
      return Promise.resolve('interrupted');
    },
  });
  beats.start();
  watch.start();
});
afterEach(async () => {
  watch.stop();
  beats.stop();
  await lab.close();
  if (lab.clock.pendingTimers > 0) throw new Error(`${lab.clock.pendingTimers} timers were left`);
});

const beat = (owner: CoordinatorId): void => {
  const message: CoordinatorHeartbeat = { t: 'owner_beat', owner, queries: [], operators: [], stopping: false };
  lab.connection.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(message));
};
const runs = (owner: CoordinatorId): QueryId => {
  const record = lab.record({ owner });
  running.push({ record, seq: 1 });
  return record.id;
};

describe('orphan watch', () => {
  test('ends the queries of an owner that is silent for 5 s and answers no question', async () => {
    const owner = newCoordinatorId();
    const ids = [runs(owner), runs(owner)];
    beat(owner);
    await lab.pass(4_000);
    expect(interrupted).toEqual([]);
    await lab.pass(2_000);
    expect(interrupted).toEqual(ids);
  });

  test('leaves the queries of an owner that beats alone', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    for (let i = 0; i < 20; i += 1) {
      beat(owner);
      await lab.pass(1_000);
    }
    expect(interrupted).toEqual([]);
  });

  test('asks before it believes silence', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    const subscription = lab.connection.bus.subscribe(SUBJECTS.coordinator(owner), (message) => {
      if (decodeBusMessage<GatewayRequest>(message.data, 'ping')) message.reply?.(encodeBusMessage({ t: 'ok' }));
    });
    await lab.pass(30_000);
    expect(interrupted).toEqual([]);
    subscription.unsubscribe();
    await lab.pass(7_000);
    expect(interrupted).toHaveLength(1);
  });

  test('gives a query that was just kept time to be heard of', async () => {
    await lab.pass(60_000);
    runs(newCoordinatorId());
    await lab.pass(4_000);
    expect(interrupted).toEqual([]);
  });

  test('does not take its own lost connection for the silence of others', async () => {
    const owner = newCoordinatorId();
    runs(owner);
    beat(owner);
    lab.broker.interrupt();
    await lab.pass(20_000);
    lab.broker.restore();
    await lab.pass(3_000);
    beat(owner);
    await lab.pass(3_000);
    expect(interrupted).toEqual([]);
  });

  test('ends a query of its own that it does not run any more', async () => {
    lab.gateway('gw-a', [1]);
    const live = await lab.launch({ timeoutMs: 60_000 });
    running.push({ record: live, seq: 1 });
    const given = runs(lab.ownerId);
    await lab.pass(8_000);
    expect(interrupted).toEqual([given]);
  });
});

describe('owner beats', () => {
  test('say what runs, in messages of a bounded size', async () => {
    lab.gateway('gw-a', [1]);
    const said: CoordinatorHeartbeat[] = [];
    lab.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      expect(data.length).toBeLessThan(512 * 1024);
      const heard = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heard !== undefined) said.push(heard);
    });
    const sql = `SELECT '${'x'.repeat(60_000)}'`;
    const ids: QueryId[] = [];
    for (let i = 0; i < 12; i += 1) ids.push((await lab.launch({ sql, operator: `op-${i}` })).id);
    said.length = 0;
    await lab.pass(1_000);
    expect(said.length).toBeGreaterThan(1);
    expect(said.flatMap((one) => one.queries.map((query) => query.id))).toEqual(ids);
    expect(said.flatMap((one) => one.operators.map(({ operator }) => operator))).toHaveLength(12);
  });

  test('count a query that is about to begin, and do not name it: who is told of it then reports to nobody', async () => {
    lab.gateway('gw-a', [1]);
    const said: CoordinatorHeartbeat[] = [];
    lab.connection.bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
      const heard = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
      if (heard !== undefined) said.push(heard);
    });
    const record = lab.record();
    const launched = lab.owned.launch(record);
    while (lab.owned.get(record.id) === undefined) await Promise.resolve();
    lab.clock.advance(1_000);
    await launched;
    await lab.pass(0);
    expect(said.map(({ operators, queries }) => [operators.length, queries.length])).toEqual([[1, 0]]);
    await lab.pass(1_000);
    expect(said.at(-1)?.queries.map(({ id }) => id)).toEqual([record.id]);
  });
});
