import { expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { EMPTY_LEDGER, newCoordinatorId, newQueryId, type OrgId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { KeptHunt } from './kept-hunt.js';

const record: QueryRecord = {
  ...{ id: newQueryId(1), org: 'acme' as OrgId, operator: 'ann', operatorName: 'Ann', sql: 'SELECT 1', hunt: {} },
  ...{ selector: '', scope: '', mode: 'raw', columns: ['a'], timeoutMs: 1_000, owner: newCoordinatorId() },
  ...{ createdAtMs: 1, deadlineMs: 2, ledger: EMPTY_LEDGER, offline: 0, rows: 0, state: 'running' },
};
const subject = STREAM_SUBJECTS.result(record.org, record.id);
const EVENTS: ResultEvent[] = [
  { t: 'started', record },
  { t: 'rows', answers: new Uint8Array(0) },
  { t: 'rows', answers: new Uint8Array(0) },
];

test('a hunt whose first results go while they are read says so', async () => {
  const { streams } = new MemoryBroker().connect();
  await streams.ensure(Object.values(STREAMS));
  for (const event of EVENTS) await streams.append(subject, encodeQueryRecord(event));
  expect((await KeptHunt.read(streams, record)).truncated).toBeUndefined();
  let isDropped = false;
  const dropping = {
    /** As a stream that is full: the oldest entries go. */
    async *read(...args: Parameters<StreamStore['read']>) {
      for await (const entry of streams.read(...args)) {
        if (entry.seq > 1 && !isDropped) {
          isDropped = true;
          await streams.purge(STREAMS.results.name, subject, { beforeSeq: 3 });
          continue;
        }
        yield entry;
      }
    },
  };
  const kept = await KeptHunt.read(dropping as unknown as StreamStore, record);
  expect({ isDropped, lastSeq: kept.lastSeq, truncated: kept.truncated }).toEqual({
    isDropped: true,
    lastSeq: 3,
    truncated: 'the first results of this hunt are not kept any more',
  });
});
