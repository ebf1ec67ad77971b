import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ledgerBalances } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, type QueryRecord, type ResultEvent } from '@muster/records';
import type { StoredQuery } from '../results/query-record-store.js';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';
import { interruptOrphan, type InterruptDeps, type InterruptResult } from './interrupt-orphan.js';

let harness: CoordinatorHarness;
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
});
afterEach(() => harness.close());

/** Another service, with a connection of its own. */
const survivor = (): ((orphan: StoredQuery) => Promise<InterruptResult>) => {
  const { bus, streams } = harness.broker.connect();
  const deps: InterruptDeps = { bus, streams, records: harness.records, nowMs: () => 1_000 };
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
      ...{ bus, records: harness.records, nowMs: () => 0 },
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
