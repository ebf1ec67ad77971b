import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AppendResult, StreamStore } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type GatewayUpdate } from '@muster/messages';
import { newCoordinatorId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import { createMetrics, NO_TRACER, silentLogger } from '@muster/runtime';
import { createQueryMetrics } from '../metrics.js';
import { QueryRecordStore } from '../results/query-record-store.js';
import { ResultWriter } from '../results/result-writer.js';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';
import { FOUND_EVERY_MS } from './found.js';
import { HuntCoordinator } from './hunt-coordinator.js';

const LOST: AppendResult = { kind: 'unavailable', maybeStored: true, cause: new Error('no acknowledgement') };

/** A broker whose acknowledgements of records do not arrive while `isLossy` says so. */
function lossy(streams: StreamStore, isLossy: () => boolean): StreamStore {
  return new Proxy(streams, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'append') return value.bind(target) as unknown;
      return async (...args: Parameters<StreamStore['append']>) => {
        const result = await target.append(...args);
        return isLossy() && result.kind === 'appended' ? LOST : result;
      };
    },
  });
}

let harness: CoordinatorHarness;
let hunts: HuntCoordinator;
let isLossy = false;

beforeEach(async () => {
  isLossy = false;
  harness = await new CoordinatorHarness().open();
  const { clock, coordinatorId, detector } = harness;
  const { bus, streams } = harness.connection;
  const metrics = createQueryMetrics(createMetrics('query'), { running: () => 0 });
  const records = new QueryRecordStore({ streams: lossy(streams, () => isLossy), logger: silentLogger });
  const common = { bus, clock, logger: silentLogger };
  hunts = new HuntCoordinator({
    ...{ bus, streams, coordinatorId, records, logger: silentLogger, tracer: NO_TRACER },
    runningDeps: (_record, span) => ({
      ...{ ...common, span, records, detector, metrics: metrics.coordinator },
      openResults: (query) =>
        new ResultWriter({ ...query, ...common, streams, metrics: metrics.results, retryForMs: 5_000 }),
      inScope: () => Promise.resolve([]),
      reduce: () => Promise.resolve({ t: 'reduced', columns: ['n'], rows: [[1]], truncated: false }),
      afterArrived: (then) => then(),
      limits: {
        ...{ maxGroups: 1_000, maxGroupBytes: 1_000_000, maxQueuedBytes: 1_000_000, maxResultBytes: 10_000_000 },
        eventBytes: 64 * 1024,
      },
    }),
  });
  bus.subscribe(SUBJECTS.coordinatorInbox(coordinatorId), ({ data }) => {
    const update = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
    if (update !== undefined) hunts.takeUpdate(update);
  });
});
afterEach(async () => {
  await hunts.stop();
  await harness.close();
});

async function launch(): Promise<QueryRecord> {
  const deadlineMs = harness.clock.now() + 10 * FOUND_EVERY_MS;
  const record = harness.record({ mode: 'raw', deadlineMs, hunt: {} });
  const launched = await hunts.launch(record);
  if (launched.kind !== 'started') throw new Error('the hunt did not start');
  await harness.settle();
  return launched.record;
}

const stored = async (record: QueryRecord) => (await harness.records.get(record.org, record.id))?.record;

describe('when it is not acknowledged that the record says what a hunt found', () => {
  test('what more it finds is told all the same, and its end is stored', async () => {
    const gateway = harness.gateway('gw-a', [1, 2, 3]);
    const record = await launch();
    isLossy = true;
    gateway.answer(1);
    await harness.pass(1_100);
    expect((await stored(record))?.found).toMatchObject({ endpoints: 1 });
    isLossy = false;
    const told = (await stored(record))?.found;
    await harness.pass(5_000);
    expect((await stored(record))?.found).toEqual(told);
    gateway.answer(2);
    for (let passed = 0; passed <= FOUND_EVERY_MS; passed += 60_000) {
      gateway.keepAlive();
      gateway.sendHeartbeat();
      await harness.pass(60_000);
    }
    expect((await stored(record))?.found).toMatchObject({ endpoints: 2 });
    gateway.answer(3);
    await harness.settle();
    hunts.get(record.id)?.end('cancelled');
    await harness.settle();
    expect(await stored(record)).toMatchObject({ state: 'cancelled', found: { endpoints: 3 } });
  });

  test('its end is stored right after it', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await launch();
    isLossy = true;
    gateway.answer(1);
    await harness.pass(1_100);
    isLossy = false;
    hunts.get(record.id)?.end('cancelled');
    await harness.settle();
    expect(await stored(record)).toMatchObject({ state: 'cancelled', found: { endpoints: 1 } });
  });

  test('it is given up where another service has written the record', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await launch();
    const kept = await harness.records.get(record.org, record.id);
    if (kept === undefined) throw new Error('it has no record');
    const owner = newCoordinatorId();
    await harness.records.store({ ...kept.record, owner }, kept.seq);
    gateway.answer(1);
    await harness.pass(1_100);
    expect(hunts.size).toBe(0);
    expect(await stored(record)).toMatchObject({ owner, state: 'running' });
    expect((await stored(record))?.found).toBeUndefined();
  });
});
