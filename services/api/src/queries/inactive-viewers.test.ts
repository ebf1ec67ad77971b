import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeNumberSet, STREAM_SUBJECTS, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import { ledger } from '../testing/fake-query-service.js';
import { parseSse, RawViewer } from '../testing/raw-viewer.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 100, stallMs: 400 }, coordinatorSilenceMs: 600 });
});
afterEach(() => api.stop());

async function start(body: object = { sql: 'SELECT name, pid FROM processes' }): Promise<QueryRecord> {
  const { id } = (await api.ask('POST', '/v1/queries', { body })).body;
  return (await (api.api.components['queries'] as unknown as QueryStore).read('default' as never, id)) as QueryRecord;
}

const eventsOf = (record: QueryRecord): string => `/v1/queries/${record.id}/events`;
const events = (record: QueryRecord, headers = {}, query = '') =>
  api.get(`/v1/queries/${record.id}/events${query}`, { headers });

describe('when a query becomes inactive', () => {
  /** What a caller is told at the end, and what is kept. */
  const toldAndKept = async (record: QueryRecord, viewer: RawViewer) => {
    await viewer.closed;
    const told = parseSse(viewer.body).at(-1)!;
    const kept = parseSse((await events(record)).text).at(-1)!;
    expect(told).toEqual(kept);
    expect(told.data.synthesized).toBeUndefined();
    expect((await api.get(`/v1/queries/${record.id}`)).body).toEqual(told.data.query);
    expect((await api.get('/v1/queries?state=interrupted')).body.items).toEqual([told.data.query]);
    return told.data.query;
  };

  test('and its coordinator runs, the viewer waits on', async () => {
    const record = await start();
    const viewer = new RawViewer(api, eventsOf(record));
    await eventually(() => api.service.pings >= 2);
    expect(viewer.text).not.toContain('ended');
    await api.service.end(record);
    await viewer.closed;
  });

  test('and its coordinator is gone, the end that is told is the end that is kept', async () => {
    const record = await start();
    const changes = { targeted: encodeNumberSet([1, 2, 3]), empty: encodeNumberSet([1]) };
    const live = ledger({ empty: 1, waiting: 2 });
    await api.service.emit(record, { t: 'progress', ledger: live, changes, elapsedMs: 5, gateways: 1 });
    api.service.stop();
    const end = await toldAndKept(record, new RawViewer(api, eventsOf(record)));
    expect(end).toMatchObject({ state: 'interrupted', ledger: ledger({ empty: 1, timed_out: 2 }) });
    const { items } = (await api.get(`/v1/queries/${record.id}/endpoints`)).body;
    expect(items.map(({ num, code }: { num: number; code: string }) => [num, code])).toEqual([
      [2, 'interrupted'],
      [3, 'interrupted'],
    ]);
  });

  test('and every service is frozen, the end comes at most 2 s after the deadline, and a service that thaws is refused', async () => {
    await api.stop();
    api = await ApiFixture.start({ coordinatorSilenceMs: 60_000 });
    const record = await start({ sql: 'SELECT 1', timeoutMs: 2_000 });
    api.service.frozen = true;
    const end = await toldAndKept(record, new RawViewer(api, eventsOf(record)));
    expect(end.state).toBe('interrupted');
    expect(Date.parse(end.endedAt) - record.deadlineMs).toBeLessThan(2_000);
    const { streams } = api.connection;
    const started = (await streams.read('MUSTER_RESULTS')[Symbol.asyncIterator]().next()).value!;
    const late = streams.append(STREAM_SUBJECTS.result(record.org, record.id), started.data, {
      expectLastSubjectSeq: started.seq,
    });
    expect(await late).toEqual({ kind: 'conflict' });
  });

  test('while the broker is unreachable, nothing is invented', async () => {
    const record = await start();
    const viewer = new RawViewer(api, eventsOf(record));
    await eventually(() => viewer.text.includes('event: started'));
    api.broker.interrupt();
    await eventually(() => viewer.text.includes('event: stalled'));
    const before = viewer.text.length;
    await eventually(() => viewer.text.slice(before).split(': heartbeat').length > 5);
    expect(viewer.text).not.toContain('ended');
    api.broker.restore();
    await api.service.end(record);
    await viewer.closed;
    const seen = parseSse(viewer.body);
    expect(seen.map(({ event, id }) => [event, id !== undefined])).toEqual([
      ['started', true],
      ['stalled', false],
      ['ended', true],
    ]);
    expect(seen[1]?.data).toMatchObject({ seq: null, code: 'broker_unavailable' });
    expect(seen[2]?.data.synthesized).toBeUndefined();
  });

  test('a query whose results have expired ends with its record', async () => {
    const record = await start();
    await api.service.end(record, { endedAtMs: Date.now() - 3_600_000, ledger: ledger({ answered: 4 }) });
    await api.connection.streams.purge('MUSTER_RESULTS', `muster.v1.result.default.${record.id}`);
    const [end, ...rest] = parseSse((await events(record)).text);
    expect(rest).toEqual([]);
    expect(end?.data).toMatchObject({
      event: 'ended',
      synthesized: true,
      query: { state: 'complete', ledger: { answered: 4 } },
    });
  });
});
