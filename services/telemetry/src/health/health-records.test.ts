import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StreamError, type StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import type { AgentId, OrgId } from '@muster/protocol';
import { decodeRecord, STREAMS, type HealthRecord, type HealthState } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { healthMetrics } from './health-metrics.js';
import { HealthRecords } from './health-records.js';

const [org, agentId] = ['default' as OrgId, 'a'.repeat(24) as AgentId];

let connection: MemoryConnection;
const started: HealthRecords[] = [];
beforeEach(async () => {
  connection = new MemoryBroker().connect();
  await connection.streams.ensure([STREAMS.health]);
});
afterEach(async () => {
  for (const records of started.splice(0)) await records.stop();
  await connection.stop();
});

async function start(change: Partial<StreamStore> = {}): Promise<HealthRecords> {
  const { streams } = connection;
  const store: StreamStore = {
    ...{ catchingUp: streams.catchingUp, storage: () => streams.storage(), ensure: (all) => streams.ensure(all) },
    ...{ append: (...what) => streams.append(...what), read: (...what) => streams.read(...what) },
    ...{ last: (...what) => streams.last(...what), newestSeq: (stream) => streams.newestSeq(stream) },
    purge: (...what) => streams.purge(...what),
    ...change,
  };
  const metrics = healthMetrics(createMetrics('telemetry'), {
    health: () => ({ ok: 0, warning: 0, critical: 0 }),
    beforeRead: () => undefined,
  });
  const records = new HealthRecords({ streams: store, logger: silentLogger, metrics });
  started.push(records);
  await records.start();
  return records;
}

const change = (num: number, state: HealthState, before: HealthState = 'ok') => ({
  ...{ atMs: 1, org, agentId, num, state, before },
  rules: [],
});

async function kept(): Promise<string[]> {
  const all: string[] = [];
  for await (const { data, seq } of connection.streams.read(STREAMS.health.name)) {
    const { num, state, prev } = decodeRecord<HealthRecord>(data);
    all.push(`${seq}: ${num} ${state} after ${prev}`);
  }
  return all;
}

test('each change names the one before it, whichever instance wrote that', async () => {
  const [one, two] = [await start(), await start()];
  one.write(change(7, 'warning'));
  await eventually(() => two.get(7)?.state === 'warning');
  two.write(change(7, 'critical', 'warning'));
  await eventually(() => one.get(7)?.state === 'critical');
  expect(await kept()).toEqual(['1: 7 warning after 0', '2: 7 critical after 1']);
});

test('the same change is recorded once when two instances find it', async () => {
  const [one, two] = [await start(), await start()];
  one.write(change(7, 'warning'));
  two.write(change(7, 'warning'));
  await eventually(() => one.get(7) !== undefined && two.get(7) !== undefined);
  expect(await kept()).toEqual(['1: 7 warning after 0']);
});

test('an endpoint that is enrolled again is recorded, although the records of its former identity could not be removed', async () => {
  const failing = new StreamError('unavailable', 'the broker is away');
  const records = await start({ purge: () => Promise.reject(failing) });
  records.write(change(7, 'critical'));
  await eventually(() => records.get(7) !== undefined);
  records.forget({ org, agentId, num: 7 });
  records.write(change(9, 'warning'));
  await eventually(() => records.get(9)?.state === 'warning');
  records.write(change(9, 'ok', 'warning'));
  await eventually(() => records.get(9)?.state === 'ok');
  expect(await kept()).toEqual(['1: 7 critical after 0', '2: 9 warning after 1', '3: 9 ok after 2']);
});

test('what another instance removes late is the former identity alone', async () => {
  let late = (): Promise<void> => Promise.resolve();
  const records = await start({
    purge: (...what) => {
      late = () => connection.streams.purge(...what);
      return Promise.resolve();
    },
  });
  records.write(change(7, 'critical'));
  await eventually(() => records.get(7) !== undefined);
  records.forget({ org, agentId, num: 7 });
  records.write(change(9, 'warning'));
  await eventually(() => records.get(9) !== undefined);
  await late();
  expect(await kept()).toEqual(['2: 9 warning after 1']);
});
