import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { EMPTY_LEDGER, newCoordinatorId, newQueryId, type OrgId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { isStillKept, readWholeResults, type ReadResultsOptions } from './read-results.js';

const ORG = 'acme' as OrgId;
const EVENTS = 40;

let dataDir: string;
let server: NatsHandle;
let broker: Broker;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'muster-results-'));
  server = await startNats({ dataDir, logger: silentLogger });
  broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
  await broker.streams.ensure([STREAMS.results]);
});
afterAll(async () => {
  await broker.stop();
  await server.stop();
  await rm(dataDir, { recursive: true });
});

/** A query with results; returns their sequences too. */
async function kept(state: QueryRecord['state']): Promise<{ readonly query: QueryRecord; readonly seqs: number[] }> {
  const query: QueryRecord = {
    ...{ id: newQueryId(Date.now()), org: ORG, operator: 'ann', operatorName: 'Ann', sql: 'SELECT 1' },
    ...{ selector: '', scope: '', mode: 'raw', columns: ['a'], timeoutMs: 1_000, owner: newCoordinatorId(), state },
    ...{ createdAtMs: 1, deadlineMs: 2, ledger: { ...EMPTY_LEDGER, targeted: 1, answered: 1 }, offline: 0, rows: 0 },
  };
  const row: ResultEvent = { t: 'rows', answers: new Uint8Array(100) };
  const end: ResultEvent[] = state === 'running' ? [row] : [{ t: 'ended', record: query }];
  const events: ResultEvent[] = [
    { t: 'started', record: query },
    ...Array.from({ length: EVENTS - 2 }, () => row),
    ...end,
  ];
  const seqs: number[] = [];
  for (const event of events) {
    const result = await broker.streams.append(STREAM_SUBJECTS.result(ORG, query.id), encodeQueryRecord(event));
    if (result.kind !== 'appended') throw new Error(result.kind);
    seqs.push(result.seq);
  }
  return { query, seqs };
}

const purge = ({ id }: QueryRecord, beforeSeq = Infinity) =>
  broker.streams.purge(STREAMS.results.name, STREAM_SUBJECTS.result(ORG, id), { beforeSeq });

/** How many events are read; `inTheMiddle` is done after the third one. */
async function read(
  query: QueryRecord,
  inTheMiddle: () => Promise<void> | void,
  options: ReadResultsOptions = {},
): Promise<number> {
  let count = 0;
  for await (const _ of readWholeResults(broker.streams, query, { batch: 2, ...options })) {
    count += 1;
    if (count === 3) await inTheMiddle();
  }
  return count;
}

test.each(['complete', 'running'] as const)(
  'results of a %s query that nobody deletes are read whole',
  async (state) => {
    const { query, seqs } = await kept(state);
    expect(await read(query, () => undefined)).toBe(EVENTS);
    expect(await read(query, () => undefined, { fromSeq: seqs[10] as number })).toBe(EVENTS - 10);
  },
);

test.each([
  ['all of them', 'complete', EVENTS],
  ['the older half, so that the end is read', 'complete', EVENTS / 2],
  // Its record was read before it ended.
  ['all of them, of a query that ran when it was looked at', 'running', EVENTS],
] as const)('who is overtaken while results are deleted is told: %s', async (_, state, count) => {
  const { query, seqs } = await kept(state);
  const overtake = () => purge(query, (seqs[count - 1] as number) + 1);
  await expect(read(query, overtake)).rejects.toMatchObject({ code: 'results_expired' });
});

test('a page that begins within is told too', async () => {
  const { query, seqs } = await kept('complete');
  const fromSeq = seqs[10] as number;
  const overtake = () => purge(query, seqs[30] as number);
  await expect(read(query, overtake, { fromSeq })).rejects.toMatchObject({ code: 'results_expired' });
});

test('who leaves in the middle is told too, unless they have missed none', async () => {
  const leaveAfter = async (count: number, inTheMiddle: (query: QueryRecord) => Promise<void>) => {
    const { query } = await kept('complete');
    let taken = 0;
    for await (const _ of readWholeResults(broker.streams, query, { batch: 2 })) {
      taken += 1;
      if (taken === 1) await inTheMiddle(query);
      if (taken === count) return;
    }
  };
  await leaveAfter(3, () => Promise.resolve());
  await leaveAfter(1, (query) => purge(query));
  await expect(leaveAfter(3, (query) => purge(query))).rejects.toMatchObject({ code: 'results_expired' });
});

test('who stops reading is told nothing', async () => {
  const { query } = await kept('complete');
  const stop = new AbortController();
  const overtake = async () => {
    await purge(query);
    stop.abort();
  };
  expect(await read(query, overtake, { signal: stop.signal })).toBeLessThan(EVENTS);
  expect(await isStillKept(broker.streams, query, { seq: 1, signal: stop.signal })).toBe(true);
});
