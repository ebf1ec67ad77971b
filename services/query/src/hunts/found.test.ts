import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import type { QueryRecord } from '@muster/records';
import { ServiceHarness } from '../testing/service-harness.js';
import { FOUND_EVERY_MS, foundBy } from './found.js';

const HUNT = { hunt: {} };

test('the first row is told at once, more endpoints ten minutes later or at the end, and nothing twice', () => {
  expect(foundBy(HUNT, { endpoints: 0, nowMs: 1 })).toBeUndefined();
  const found = foundBy(HUNT, { endpoints: 1, nowMs: 1 });
  expect(found).toEqual({ endpoints: 1, atMs: 1 });
  const told = { ...HUNT, ...(found === undefined ? {} : { found }) };
  expect(foundBy(told, { endpoints: 7, nowMs: FOUND_EVERY_MS })).toBeUndefined();
  expect(foundBy(told, { endpoints: 7, nowMs: FOUND_EVERY_MS + 1 })).toEqual({
    endpoints: 7,
    atMs: FOUND_EVERY_MS + 1,
  });
  expect(foundBy(told, { endpoints: 7, nowMs: 2, isEnd: true })).toEqual({ endpoints: 7, atMs: 2 });
  expect(foundBy(told, { endpoints: 1, nowMs: FOUND_EVERY_MS * 2, isEnd: true })).toBeUndefined();
});

test('neither a query nor a scan finds in this sense', () => {
  const pack = { id: 'p', version: '1', hash: 'h', checks: 1, jws: 'j', keys: 'k' };
  for (const record of [{}, { ...HUNT, pack }]) expect(foundBy(record, { endpoints: 1, nowMs: 1 })).toBeUndefined();
});

describe('a query service', () => {
  let harness: ServiceHarness;
  beforeAll(async () => {
    harness = await ServiceHarness.open();
  });
  afterEach(async () => {
    await harness.stopServices();
    await harness.dropGateways();
  });
  afterAll(() => harness.close());

  const hunt = (mode: 'raw' | 'group') =>
    harness.start({ mode, waitUntilMs: Date.now() + 3_600_000, standing: true, timeoutMs: 5_000 });
  const found = (query: QueryRecord) =>
    eventually(async () => (await harness.storedRecord(query)).found, 'the record says what is found');

  test.each(['raw', 'group'] as const)(
    'writes it into the record, and the end has what came since (%s)',
    async (mode) => {
      const gateway = await harness.gateway([1, 2, 3, 4]);
      await harness.startService();
      const query = await hunt(mode);
      await eventually(() => gateway.starts.length > 0, 'the start at the gateway');
      gateway.empty(1);
      gateway.answer(2);
      expect(await found(query)).toMatchObject({ endpoints: 1 });
      const running = await harness.storedRecord(query);
      expect(running).toMatchObject({ state: 'running', rows: 1, ledger: { targeted: 4, answered: 1 } });
      gateway.answer(3, 4);
      await eventually(async () => {
        const events = await harness.storedEvents(query);
        return events.some((event) => 'ledger' in event && event.ledger?.answered === 3);
      }, 'all answers are kept');
      expect((await harness.storedRecord(query)).found).toEqual(running.found);
      const cancelled = await harness.send({ t: 'cancel', org: query.org, id: query.id, by: 'op' });
      expect(cancelled.t).not.toBe('problem');
      await eventually(async () => (await harness.storedRecord(query)).state === 'cancelled', 'the last record');
      const last = await harness.storedRecord(query);
      expect(last.found).toEqual({ endpoints: 3, atMs: last.endedAtMs });
    },
  );

  test('a hunt that goes on elsewhere is not told of twice', async () => {
    const gateway = await harness.gateway([1, 2]);
    const first = await harness.startService();
    const query = await hunt('raw');
    await eventually(() => gateway.starts.length > 0, 'the start at the gateway');
    gateway.answer(1);
    const before = await found(query);
    await harness.startService();
    await first.process.kill();
    await eventually(
      async () => (await harness.storedRecord(query)).owner !== query.owner,
      'another service goes on with it',
      60_000,
    );
    expect((await harness.storedRecord(query)).found).toEqual(before);
  });
});
