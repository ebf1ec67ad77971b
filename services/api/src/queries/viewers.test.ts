import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeCbor, type OrgId } from '@muster/protocol';
import { AnswerBlockWriter, encodeRecord, GroupBlockWriter, STREAM_SUBJECTS, type QueryRecord } from '@muster/records';
import type { TokenStore } from '../auth/token-store.js';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import { ledger } from '../testing/fake-query-service.js';
import { parseSse, RawViewer } from '../testing/raw-viewer.js';
import type { QueryStore } from './query-store.js';

// Slow viewers read megabytes.

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 100, stallMs: 400 }, coordinatorSilenceMs: 600 });
});
afterEach(() => api.stop());

async function start(body: object = { sql: 'SELECT name, pid FROM processes' }): Promise<QueryRecord> {
  const { id } = (await api.ask('POST', '/v1/queries', { body })).body;
  return (await (api.api.components['queries'] as unknown as QueryStore).read('default' as never, id)) as QueryRecord;
}

function answers(...list: readonly (readonly [num: number, rows: readonly unknown[][]])[]): Uint8Array {
  const block = new AnswerBlockWriter();
  for (const [num, rows] of list) block.add(num, Buffer.concat(rows.map((row) => encodeCbor(row))));
  return block.bytes();
}

const eventsOf = (record: QueryRecord): string => `/v1/queries/${record.id}/events`;
const events = (record: QueryRecord, headers = {}, query = '') =>
  api.get(`/v1/queries/${record.id}/events${query}`, { headers });
const NDJSON = { accept: 'application/x-ndjson' };

describe('a stream of events', () => {
  test('has every event by name, and ends after `ended`', async () => {
    const { agentId, num } = await api.agent({ facts: { host: 'web-1' } });
    const record = await start();
    const live = ledger({ answered: 1, timed_out: 1 });
    await api.service.emit(record, { t: 'progress', ledger: live, elapsedMs: 12, gateways: 2 });
    await api.service.emit(record, {
      t: 'rows',
      answers: answers(
        [
          num,
          [
            ['bash', 1],
            ['sh', 2],
          ],
        ],
        [999, []],
      ),
    });
    await api.service.emit(record, { t: 'failures', failures: [[num, 'timed_out', 'timed_out', 'too slow']] });
    await api.service.emit(record, { t: 'recovered', numbers: [num] });
    await api.service.emit(record, { t: 'reduced', columns: ['n'], rows: [[3n]], truncated: false });
    await api.service.end(record);
    const answer = await events(record);
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const seen = parseSse(answer.text);
    expect(seen.map(({ event }) => event)).toEqual([
      'started',
      'progress',
      'rows',
      'failures',
      'recovered',
      'reduced',
      'ended',
    ]);
    expect(seen.every(({ id, event, data }) => Number(id) === data.seq && event === data.event)).toBe(true);
    const name = { num, agentId, host: 'web-1' };
    expect(seen[1]?.data).toMatchObject({ ledger: live, elapsedMs: 12, gateways: 2 });
    expect(seen[2]?.data.answers).toEqual([
      {
        ...name,
        rows: [
          ['bash', 1],
          ['sh', 2],
        ],
      },
      { num: 999, agentId: null, host: null, rows: [] },
    ]);
    expect(seen[3]?.data.failures).toEqual([{ ...name, outcome: 'timed_out', code: 'timed_out', message: 'too slow' }]);
    expect(seen[4]?.data.endpoints).toEqual([name]);
    expect(seen[6]?.data.query.state).toBe('complete');
    const lines = (await events(record, NDJSON)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual(seen.map(({ data }) => data));
  });

  test('has values that JSON cannot express, and any text, exactly', async () => {
    const record = await start();
    const row = [
      2n ** 63n - 1n,
      -(2n ** 63n),
      2 ** 53 - 1,
      Infinity,
      null,
      new Uint8Array([0, 255]),
      'a\0b',
      '💥\u2028"\\\n',
      0.1,
    ];
    await api.service.emit({ ...record, columns: row.map(String) }, { t: 'rows', answers: answers([1, [row]]) });
    // The number of columns comes from the record.
    await api.service.keep({ ...record, columns: row.map(String) });
    await api.service.end({ ...record, columns: row.map(String) });
    const seen = parseSse((await events(record)).text);
    expect(seen.find(({ event }) => event === 'rows')?.data.answers[0].rows).toEqual([
      [
        '9223372036854775807',
        '-9223372036854775808',
        2 ** 53 - 1,
        'Infinity',
        null,
        { $blob: 'AP8=' },
        'a\0b',
        '💥\u2028"\\\n',
        0.1,
      ],
    ]);
  });

  test('of a group query has counts and samples', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'db-1' } });
    const record = await start({ sql: 'SELECT name, pid FROM processes', mode: 'group' });
    const block = new GroupBlockWriter();
    block.add(4, { row: encodeCbor(['bash', 1]), endpoints: 7, copies: 9, sample: [num] });
    await api.service.emit(record, { t: 'groups', groups: block.bytes() });
    await api.service.end(record);
    const seen = parseSse((await events(record)).text);
    expect(seen.find(({ event }) => event === 'groups')?.data.groups).toEqual([
      { index: 4, endpoints: 7, copies: 9, sample: [{ num, agentId, host: 'db-1' }], values: ['bash', 1] },
    ]);
  });

  test('has events as they happen, and comments in between', async () => {
    const record = await start();
    const viewer = new RawViewer(api, eventsOf(record));
    await eventually(() => viewer.text.includes('event: started'));
    await api.service.emit(record, { t: 'progress', ledger: ledger({ waiting: 1 }), elapsedMs: 1, gateways: 1 });
    await eventually(() => viewer.text.includes('event: progress'));
    await eventually(() => viewer.text.includes(': heartbeat'));
    await api.service.end(record);
    await viewer.closed;
    expect(viewer.text).toContain('event: ended');
    await eventually(async () =>
      (await api.metrics.registry.metrics()).includes('muster_api_viewers_ended_total{how="ended"} 1'),
    );
  });

  test('resumes after Last-Event-ID or `after`, without gaps or repeats', async () => {
    const record = await start();
    for (let i = 0; i < 5; i += 1)
      await api.service.emit(record, { t: 'progress', ledger: ledger({ waiting: i }), elapsedMs: i, gateways: 1 });
    await api.service.end(record);
    const all = parseSse((await events(record)).text);
    expect(all).toHaveLength(7);
    for (const [i, { id }] of all.slice(0, -1).entries()) {
      expect(parseSse((await events(record, { 'last-event-id': id ?? '' })).text)).toEqual(all.slice(i + 1));
      expect(parseSse((await events(record, {}, `?after=${id}`)).text)).toEqual(all.slice(i + 1));
    }
    expect((await events(record, { 'last-event-id': all.at(-1)?.id ?? '' })).status).toBe(204);
    expect((await events(record, { 'last-event-id': 'x' })).body.code).toBe('bad_request');
  });

  test('refuses other media types', async () => {
    const record = await start();
    expect((await events(record, { accept: 'image/png' })).body.code).toBe('not_acceptable');
  });

  test('is refused when too many streams are open', async () => {
    const record = await start();
    const viewers = Array.from({ length: 10 }, () => new RawViewer(api, eventsOf(record)));
    for (const viewer of viewers) await eventually(() => viewer.text.includes('event: started'));
    const refused = await events(record);
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', '5']);
    viewers[0]?.socket.destroy();
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 9'));
    for (const viewer of viewers) viewer.socket.destroy();
  });

  test('one operator, and one org, take only their share, also when all ask at once', async () => {
    await api.stop();
    api = await ApiFixture.start({ viewerBounds: { total: 100, perOrg: 5, perOperator: 2 } });
    const tenant = 'tenant' as OrgId;
    const record = await start();
    const { body } = await api.ask('POST', '/v1/queries', {
      token: (await api.token({ role: 'analyst', org: tenant })).token,
      body: { sql: 'SELECT 1' },
    });
    const ended = new AbortController();
    const follow = async (token: string, id = record.id) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${api.url}/v1/queries/${id}/events`, { headers, signal: ended.signal });
      return answer.status === 429 ? `429 ${((await answer.json()) as { detail: string }).detail}` : answer.status;
    };
    const you = '429 you have as many event streams open as are allowed';
    const org = '429 your org has as many event streams open as are allowed';
    const { token: ann } = await api.token({ role: 'viewer' });
    const { token: ben } = await api.token({ role: 'viewer' });
    const all = await Promise.all(Array.from({ length: 4 }, () => follow(ann)));
    expect(all.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([200, 200, you, you]);
    expect(await Promise.all([follow(ben), follow(ben), follow(api.adminToken)])).toEqual([200, 200, 200]);
    expect(await follow(api.adminToken)).toBe(org);
    const { token: stranger } = await api.token({ role: 'viewer', org: tenant });
    expect(await follow(stranger, body.id)).toBe(200);
    expect(await api.metrics.registry.metrics()).toMatch(/^muster_api_viewers_refused_total\{bound="operator"\} 2$/m);
    ended.abort();
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 0'));
  });
});

describe('a stream whose token has ended', () => {
  test('ends cleanly when any process revokes the token; other streams go on', async () => {
    const record = await start();
    const { token, tokenId } = await api.token({ role: 'analyst' });
    const revoked = api.get(`/v1/queries/${record.id}/events`, { token });
    const other = new RawViewer(api, eventsOf(record));
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 2'));
    const kept = (api.api.components['tokens'] as unknown as TokenStore).find(tokenId)!;
    // As another API process revokes it.
    const end = encodeRecord({ ...kept, revokedAtMs: Date.now() });
    await api.connection.streams.append(STREAM_SUBJECTS.operatorToken('default' as OrgId, tokenId), end);
    // Resolves only for a complete answer.
    expect(parseSse((await revoked).text).map(({ event }) => event)).toEqual(['started']);
    expect((await api.get(`/v1/queries/${record.id}/events`, { token })).body.code).toBe('unauthenticated');
    expect(await api.metrics.registry.metrics()).toContain('muster_api_viewers_ended_total{how="revoked"} 1');
    await api.service.end(record);
    await other.closed;
    expect(other.text).toContain('event: ended');
  });

  test('ends at once, without waiting for the next heartbeat', async () => {
    await api.stop();
    api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 60_000 } });
    const record = await start();
    const { token, tokenId } = await api.token({ role: 'analyst' });
    const revoked = api.get(`/v1/queries/${record.id}/events`, { token });
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 1'));
    await api.ask('DELETE', `/v1/tokens/${tokenId}`);
    expect((await revoked).text).not.toContain('event: ended');
  });

  test('ends when the token expires', async () => {
    const record = await start();
    const { token } = await api.token({ role: 'analyst', expiresAtMs: Date.now() + 1_000 });
    const expiring = await api.get(`/v1/queries/${record.id}/events`, { token });
    expect(parseSse(expiring.text).map(({ event }) => event)).toEqual(['started']);
    expect(await api.metrics.registry.metrics()).toContain('muster_api_viewers_ended_total{how="expired"} 1');
  });
});

describe('a viewer that stops reading', () => {
  const ROWS = 2_000;
  const BLOCKS = 60;
  const block = answers([1, Array.from({ length: ROWS }, (_, i) => ['x'.repeat(100), i])]);

  test('costs bounded memory, delays no other viewer, and is disconnected and counted', async () => {
    await api.stop();
    api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 100, stallMs: 2_000 } });
    const record = await start();
    const stalled = new RawViewer(api, eventsOf(record), { read: false });
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 1'));
    const reader = new RawViewer(api, eventsOf(record), { keep: false });
    let mostBuffered = 0;
    const sampling = setInterval(() => (mostBuffered = Math.max(mostBuffered, ...api.bufferedBytes())), 5);
    collectGarbage();
    const before = process.memoryUsage();
    for (let i = 0; i < BLOCKS; i += 1) await api.service.emit(record, { t: 'rows', answers: block });
    await api.service.end(record);
    await reader.closed;
    // About 14 MB of JSON went to one viewer while the other did not read.
    expect(reader.bytes).toBeGreaterThan(BLOCKS * ROWS * 100);
    expect(stalled.bytes).toBe(0);
    collectGarbage();
    const after = process.memoryUsage();
    const counted = async () =>
      (await api.metrics.registry.metrics()).includes('muster_api_viewers_ended_total{how="stalled"} 1');
    await eventually(counted, 'the cut');
    clearInterval(sampling);
    expect(mostBuffered).toBeGreaterThan(0);
    expect(mostBuffered).toBeLessThan(128 * 1024);
    // The stream in memory keeps the blocks, and each viewer has prefetched a few; hardly anything more may stay.
    const grown = after.external - before.external;
    expect(grown).toBeLessThan(2 * BLOCKS * block.length);
    expect(await api.metrics.registry.metrics()).toContain('muster_api_viewers{format="sse"} 0');
    stalled.socket.destroy();
  });

  test('a viewer that reads slowly is not disconnected', async () => {
    const record = await start();
    const slow = new RawViewer(api, eventsOf(record), { read: false });
    for (let i = 0; i < 10; i += 1) await api.service.emit(record, { t: 'rows', answers: block });
    await api.service.end(record);
    const pace = setInterval(() => {
      slow.socket.resume();
      setTimeout(() => slow.socket.pause(), 5);
    }, 50);
    await slow.closed;
    clearInterval(pace);
    expect(slow.text).toContain('event: ended');
  });
});
