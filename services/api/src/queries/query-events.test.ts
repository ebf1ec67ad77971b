import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { EMPTY_LEDGER, newCoordinatorId, newQueryId, type OrgId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { systemClock } from '@muster/runtime';
import { queryEvents, type QueryStreamItem } from './query-events.js';

let streams: StreamStore;
let stop: AbortController;
beforeEach(async () => {
  ({ streams } = new MemoryBroker().connect());
  await streams.ensure([STREAMS.results]);
  stop = new AbortController();
});
afterEach(() => stop.abort());

function complete(endedAtMs: number): QueryRecord {
  return {
    ...{ id: newQueryId(1), org: 'acme' as OrgId, operator: 'ann', operatorName: 'Ann', sql: 'SELECT 1' },
    ...{ selector: '', scope: '', mode: 'raw', columns: ['a'], timeoutMs: 1_000, owner: newCoordinatorId() },
    ...{ createdAtMs: 1, deadlineMs: 2, endedAtMs, offline: 0, rows: 2, state: 'complete' },
    ledger: { ...EMPTY_LEDGER, targeted: 1, answered: 1 },
  };
}

/** What a viewer is told to the end; what is kept goes after the first event. */
async function told(record: QueryRecord, events: readonly ResultEvent[]): Promise<string[]> {
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  for (const event of events) await streams.append(subject, encodeQueryRecord(event));
  const seen: string[] = [];
  const options = { streams, clock: systemClock, readRecord: () => Promise.resolve(record), heartbeatMs: 20 };
  const items = queryEvents(record, { ...options, afterSeq: 0, signal: stop.signal });
  for await (const item of items as AsyncIterable<QueryStreamItem>) {
    if (item.kind !== 'idle') seen.push(item.kind === 'event' ? item.event.t : item.kind);
    if (seen.length === 1) await streams.purge(STREAMS.results.name, subject);
    if (seen.length > events.length + 1) throw new Error('it goes on');
  }
  return seen;
}

const ROWS: ResultEvent = { t: 'rows', answers: new Uint8Array(0) };

test('the viewer of an ended query whose results go in the meantime is told that they are not all', async () => {
  const record = complete(Date.now() - 3_600_000);
  const seen = await told(record, [{ t: 'started', record }, ROWS, { t: 'ended', record }]);
  expect(seen.at(-1)).toBe('synthesized_end');
});

test('it does not wait for an end that was deleted', async () => {
  const record = complete(Date.now() - 10_000);
  expect((await told(record, [{ t: 'started', record }, ROWS])).at(-1)).toBe('synthesized_end');
});

describe('the viewer of a query that ran when they came', () => {
  const ended = complete(Date.now() - 10_000);
  const running: QueryRecord = { ...ended, state: 'running' };
  const subject = STREAM_SUBJECTS.result(ended.org, ended.id);
  const append = (event: ResultEvent) => streams.append(subject, encodeQueryRecord(event));
  let laterMs = 0;
  const follow = (newest: QueryRecord, afterSeq = 0) =>
    queryEvents(running, {
      ...{ streams, readRecord: () => Promise.resolve(newest), afterSeq, signal: stop.signal, heartbeatMs: 20 },
      clock: { ...systemClock, monotonic: () => (laterMs += 20_000) },
    });

  test('does not wait for an end that came and was deleted meanwhile', async () => {
    await append({ t: 'started', record: running });
    const seen: string[] = [];
    for await (const item of follow(ended)) {
      if (item.kind === 'idle') await streams.purge(STREAMS.results.name, subject);
      else seen.push(item.kind === 'event' ? item.event.t : item.kind);
    }
    expect(seen).toEqual(['started', 'synthesized_end']);
  });

  test('is not told the middle as the whole', async () => {
    await append(ROWS);
    await expect(follow(running).next()).rejects.toMatchObject({ code: 'results_expired' });
  });

  test('is told where events went that they had not read', async () => {
    await append({ t: 'started', record: running });
    for (let i = 0; i < 10; i += 1) await append(ROWS);
    await append({ t: 'ended', record: ended });
    const seen: string[] = [];
    for await (const item of follow(running)) {
      if (item.kind !== 'idle') seen.push(item.kind === 'event' ? item.event.t : item.kind);
      if (seen.length === 1) await streams.purge(STREAMS.results.name, subject, { beforeSeq: 10 });
    }
    expect(seen.at(-1)).toBe('synthesized_end');
  });

  test('has all of it when what they had read goes later: they read it in time', async () => {
    await append({ t: 'started', record: running });
    await append(ROWS);
    const seen: string[] = [];
    for await (const item of follow(running)) {
      if (item.kind !== 'idle') {
        seen.push(item.kind === 'event' ? item.event.t : item.kind);
        continue;
      }
      if (seen.length > 2) continue;
      const { seq } = (await append(ROWS)) as { seq: number };
      await streams.purge(STREAMS.results.name, subject, { beforeSeq: seq });
      await append({ t: 'ended', record: ended });
    }
    expect(seen).toEqual(['started', 'rows', 'rows', 'ended']);
  });

  test('is told where events went while they were away, at the end and before', async () => {
    await append({ t: 'started', record: running });
    const { seq } = (await append(ROWS)) as { seq: number };
    for (let i = 0; i < 3; i += 1) await append(ROWS);
    await streams.purge(STREAMS.results.name, subject, { beforeSeq: seq + 2 });
    const goOn = async (): Promise<string[]> => {
      const seen: string[] = [];
      for await (const item of follow(running, seq))
        if (item.kind !== 'idle') seen.push(item.kind === 'event' ? item.event.t : item.kind);
      return seen;
    };
    await expect(goOn()).rejects.toMatchObject({ code: 'results_expired' });
    await append({ t: 'ended', record: ended });
    expect(await goOn()).toEqual(['rows', 'rows', 'synthesized_end']);
  });

  test('has all of it after they were away, where the event after which they go on is still kept', async () => {
    const { seq } = (await append({ t: 'started', record: running })) as { seq: number };
    for (const event of [ROWS, ROWS, { t: 'ended', record: ended } as const]) await append(event);
    const seen: string[] = [];
    for await (const item of follow(running, seq)) seen.push(item.kind === 'event' ? item.event.t : item.kind);
    expect(seen).toEqual(['rows', 'rows', 'ended']);
  });

  test('opens no reader at each of their pauses', async () => {
    let readers = 0;
    const counted = new Proxy(streams, {
      get: (target, name: keyof StreamStore) => {
        if (name === 'read') readers += 1;
        const value: unknown = target[name];
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    await append({ t: 'started', record: running });
    const items = queryEvents(running, {
      ...{ streams: counted, readRecord: () => Promise.resolve(running), afterSeq: 0, signal: stop.signal },
      ...{ clock: { ...systemClock, monotonic: () => 0 }, heartbeatMs: 5 },
    });
    let pauses = 0;
    for await (const item of items) {
      if (item.kind !== 'idle') continue;
      pauses += 1;
      if (pauses === 10) break;
      await append(ROWS);
    }
    // Its own, and one look.
    expect(readers).toBe(2);
  });
});
