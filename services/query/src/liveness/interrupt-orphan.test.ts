import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ledgerBalances } from '@muster/protocol';
import {
  encodeNumberSet,
  encodeQueryRecord,
  readAnswerBlock,
  readGroupBlock,
  STREAM_SUBJECTS,
  type Failure,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';
import { NO_TRACER } from '@muster/runtime';
import { interruptOrphan, type InterruptDeps, type InterruptResult, type StoredQuery } from '@muster/service-base';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

let harness: CoordinatorHarness;
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
});
afterEach(() => harness.close());

/** Another service, with a connection of its own. */
const survivor = (): ((orphan: StoredQuery) => Promise<InterruptResult>) => {
  const { bus, streams } = harness.broker.connect();
  const deps: InterruptDeps = { bus, streams, nowMs: () => 1_000, tracer: NO_TRACER };
  return (orphan) => interruptOrphan(deps, orphan);
};

/** What a query of three endpoints leaves when its coordinator dies. */
async function orphan(): Promise<StoredQuery> {
  const record = harness.record();
  const stored = await harness.records.store(record, 0);
  if (stored.kind !== 'stored') throw new Error('not stored');
  const ledger = { ...record.ledger, targeted: 3, answered: 1, waiting: 2 };
  await write(record, { t: 'started', record });
  await write(record, { t: 'progress', ledger, elapsedMs: 10, gateways: 1 });
  return { record, seq: stored.seq };
}

/** The events of a query of thirty endpoints at two gateways: answers, failures, some that come back, and one that moves. */
async function eventsOf(mode: 'raw' | 'group'): Promise<ResultEvent[]> {
  const a = harness.gateway(`gw-a-${mode}`, range(1, 20));
  const b = harness.gateway(`gw-b-${mode}`, range(21, 30));
  const record = await harness.launch({ mode });
  a.answer(1, 2, 3);
  a.empty(4);
  await harness.pass(300);
  a.fail([5, 'error', 'sql', 'no'], [6, 'disconnected', 'closed', 'gone'], [7, 'disconnected', 'closed', 'gone']);
  await harness.pass(300);
  b.join(6, 7);
  b.answer(6, 21, 22);
  await harness.pass(10);
  b.answer(7, 23);
  a.answer(8, 9);
  await harness.pass(300);
  b.empty(24);
  harness.coordinator.get(record.id)?.end('cancelled');
  await harness.settle();
  a.die();
  b.die();
  return harness.events(record);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** What a reader is shown: how many endpoints have rows, and which are listed as failures. Every endpoint gives one row. */
function shown(events: readonly ResultEvent[]): { readonly answered: number; readonly failures: readonly Failure[] } {
  const rows = new Set<number>();
  const groups = new Map<number, number>();
  const failures = new Map<number, Failure>();
  for (const event of events) {
    if (event.t === 'rows') for (const { num } of readAnswerBlock(event.answers)) rows.add(num);
    if (event.t === 'groups')
      for (const { index, endpoints } of readGroupBlock(event.groups)) groups.set(index, endpoints);
    if (event.t === 'failures') for (const failure of event.failures) failures.set(failure[0], failure);
    if (event.t === 'recovered') for (const num of event.numbers) failures.delete(num);
  }
  return {
    answered: rows.size + [...groups.values()].reduce((sum, n) => sum + n, 0),
    failures: [...failures.values()],
  };
}

const write = (record: QueryRecord, event: ResultEvent) =>
  harness.connection.streams.append(STREAM_SUBJECTS.result(record.org, record.id), encodeQueryRecord(event));

describe('a query whose coordinator is gone', () => {
  test('is ended with the last ledger, and the ledger balances with nothing waiting', async () => {
    const gone = await orphan();
    expect(await survivor()(gone)).toBe('interrupted');
    const ended = await harness.ended(gone.record);
    expect(ended).toMatchObject({
      state: 'interrupted',
      endedAtMs: 1_000,
      ledger: { answered: 1, timed_out: 2, waiting: 0 },
    });
    expect(ledgerBalances(ended.ledger)).toBe(true);
    expect((await harness.records.get(ended.org, ended.id))?.record).toEqual(ended);
  });

  test.each(['raw', 'group'] as const)(
    'ends with rows, failures and ledger of one moment, wherever its results break off: %s',
    async (mode) => {
      const written = await eventsOf(mode);
      expect(written.length).toBeGreaterThan(8);
      for (let kept = 1; kept < written.length; kept += 1) {
        const record = harness.record({ mode });
        const stored = await harness.records.store(record, 0);
        for (const event of written.slice(0, kept)) await write(record, event);
        await survivor()({ record, seq: stored.kind === 'stored' ? stored.seq : 0 });
        const { ledger } = await harness.ended(record);
        const { answered, failures } = shown(await harness.events(record));
        expect(ledgerBalances(ledger)).toBe(true);
        expect([ledger.waiting, ledger.answered]).toEqual([0, answered]);
        expect(failures).toHaveLength(ledger.targeted - ledger.answered - ledger.empty);
        const unheard = failures.filter(([, outcome]) => outcome === 'timed_out');
        expect(unheard).toHaveLength(ledger.timed_out);
        // Its coordinator had cancelled it, and died just before the end.
        const isCancelled = written
          .slice(0, kept)
          .some((event) => event.t === 'failures' && event.failures.length > 10);
        const code = isCancelled ? 'cancelled' : 'interrupted';
        expect(unheard.filter((failure) => failure[2] !== code)).toEqual([]);
      }
    },
  );

  test('names all of many endpoints that were waited for', async () => {
    const nums = Array.from({ length: 5_000 }, (_, i) => i + 1);
    const record = harness.record();
    const stored = await harness.records.store(record, 0);
    const changes = { targeted: encodeNumberSet(nums) };
    const ledger = { ...record.ledger, targeted: 5_000, waiting: 5_000 };
    await write(record, { t: 'progress', ledger, changes, elapsedMs: 10, gateways: 1 });
    await survivor()({ record, seq: stored.kind === 'stored' ? stored.seq : 0 });
    const { failures } = shown(await harness.events(record));
    expect(failures.map(([num]) => num)).toEqual(nums);
    expect(failures[0]).toEqual([1, 'timed_out', 'interrupted', 'the query service stopped before it answered']);
  });

  test('is ended by exactly one of many survivors', async () => {
    const gone = await orphan();
    const results = await Promise.all([survivor(), survivor(), survivor(), survivor()].map((end) => end(gone)));
    expect(results.filter((result) => result === 'interrupted')).toHaveLength(1);
    expect((await harness.events(gone.record)).filter((event) => event.t === 'ended')).toHaveLength(1);
  });

  test('that died between its last event and its record gets the record of that event', async () => {
    const gone = await orphan();
    await write(gone.record, { t: 'ended', record: { ...gone.record, state: 'complete' } });
    expect(await survivor()(gone)).toBe('repaired');
    expect((await harness.records.get(gone.record.org, gone.record.id))?.record.state).toBe('complete');
    expect(await survivor()(gone)).toBe('settled');
  });

  test('is left alone when its coordinator writes meanwhile', async () => {
    const gone = await orphan();
    const { bus, streams } = harness.broker.connect();
    const racing: InterruptDeps = {
      ...{ bus, nowMs: () => 0, tracer: NO_TRACER },
      streams: Object.assign(Object.create(streams) as typeof streams, {
        append: async (...args: Parameters<typeof streams.append>) => {
          await write(gone.record, { t: 'progress', ledger: gone.record.ledger, elapsedMs: 1, gateways: 1 });
          return streams.append(...args);
        },
      }),
    };
    expect(await interruptOrphan(racing, gone)).toBe('alive');
  });

  test('that never wrote anything is ended too', async () => {
    const record = harness.record();
    const stored = await harness.records.store(record, 0);
    expect(await survivor()({ record, seq: stored.kind === 'stored' ? stored.seq : 0 })).toBe('interrupted');
  });
});
