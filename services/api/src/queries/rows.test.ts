import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EMPTY_LEDGER, encodeCbor, type SqlValue } from '@muster/protocol';
import { AnswerBlockWriter, GroupBlockWriter, STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import { ApiFixture } from '../testing/api-fixture.js';
import { parseSse } from '../testing/raw-viewer.js';
import { csvLine } from './csv.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

async function start(mode: 'raw' | 'group', columns = ['name', 'pid']): Promise<QueryRecord> {
  api.service.columns = columns;
  const { id } = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1', mode } })).body;
  return (await (api.api.components['queries'] as unknown as QueryStore).read('default' as never, id)) as QueryRecord;
}

async function tellRows(
  record: QueryRecord,
  ...list: readonly (readonly [num: number, rows: readonly SqlValue[][]])[]
) {
  const block = new AnswerBlockWriter();
  for (const [num, rows] of list) block.add(num, Buffer.concat(rows.map((row) => encodeCbor(row))));
  return api.service.emit(record, { t: 'rows', answers: block.bytes() });
}

async function emitGroups(
  record: QueryRecord | { readonly record: QueryRecord; readonly more: true },
  ...list: readonly (readonly [index: number, endpoints: number, row: SqlValue[]])[]
) {
  const block = new GroupBlockWriter();
  for (const [index, endpoints, row] of list)
    block.add(index, { row: encodeCbor(row), endpoints, copies: endpoints, sample: [7] });
  const event = { t: 'groups', groups: block.bytes() } as const;
  if ('more' in record) await api.service.emit(record.record, { ...event, more: true });
  else await api.service.emit(record, event);
}

async function allPages(path: string): Promise<{ items: unknown[]; pages: number }> {
  const items: unknown[] = [];
  for (let cursor = '', pages = 1; ; pages += 1) {
    const { body } = await api.get(path + cursor);
    items.push(...body.items);
    if (body.nextCursor === undefined) return { items, pages };
    cursor = `&cursor=${body.nextCursor}`;
  }
}

describe('rows of a raw query', () => {
  test('are paged without gaps or repeats, across answers and events', async () => {
    const record = await start('raw');
    const rows = Array.from({ length: 25 }, (_, i): SqlValue[] => [`p${i}`, i]);
    await tellRows(record, [1, rows.slice(0, 4)], [2, []], [3, rows.slice(4, 11)]);
    await tellRows(record, [4, rows.slice(11, 12)]);
    await tellRows(record, [5, rows.slice(12)]);
    await api.service.end(record);
    for (const limit of [1, 3, 7, 25, 100]) {
      const { items, pages } = await allPages(`/v1/queries/${record.id}/rows?limit=${limit}`);
      expect(items.map((item) => (item as { values: unknown[] }).values)).toEqual(rows);
      expect(pages).toBe(Math.ceil(25 / limit));
    }
  });

  test('have columns and endpoint, and say whether more may come', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'web-1' } });
    const record = await start('raw', ['name', 'name']);
    await tellRows(record, [num, [['a', 'b']]]);
    const { body } = await api.get(`/v1/queries/${record.id}/rows`);
    expect(body).toEqual({
      state: 'running',
      mode: 'raw',
      columns: ['name', 'name'],
      items: [{ num, agentId, host: 'web-1', values: ['a', 'b'] }],
    });
  });

  test('as NDJSON begin with the columns', async () => {
    const record = await start('raw');
    await tellRows(record, [
      1,
      [
        ['a', 2n ** 60n],
        ['\0💥', null],
      ],
    ]);
    const answer = await api.get(`/v1/queries/${record.id}/rows`, { headers: { accept: 'application/x-ndjson' } });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(
      answer.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { columns: ['name', 'pid'], mode: 'raw', state: 'running' },
      { num: 1, agentId: null, host: null, values: ['a', '1152921504606846976'] },
      { num: 1, agentId: null, host: null, values: ['\0💥', null] },
    ]);
  });

  test('as CSV are exact, and quoted where they must be', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'web-1' } });
    const record = await start('raw', ['a', 'b "c"']);
    const hostile = ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', 'a,b', 'a"b', 'line\r\nbreak', '', ' pad ', 'a\0b', '💥'];
    await tellRows(record, [num, hostile.map((text): SqlValue[] => [text, null])]);
    await tellRows(record, [
      num,
      [
        [new Uint8Array([0xde, 0xad]), 2n ** 62n],
        [1.5, -7],
      ],
    ]);
    const answer = await api.get(`/v1/queries/${record.id}/rows?format=csv`);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${record.id}.csv"`);
    const [head, ...rows] = parseCsv(answer.text);
    expect(head).toEqual(['agent_id', 'host', 'a', 'b "c"']);
    expect(rows.map((row) => row[2])).toEqual([...hostile, "X'DEAD'", '1.5']);
    expect(rows.map((row) => row[3]).slice(-2)).toEqual(['4611686018427387904', '-7']);
    expect(rows.every((row) => row[0] === agentId && row[1] === 'web-1')).toBe(true);
    const escaped = parseCsv((await api.get(`/v1/queries/${record.id}/rows?format=csv&formulas=escape`)).text);
    expect(escaped.slice(1, 6).map((row) => row[2])).toEqual(["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx"]);
    expect(escaped.at(-1)?.[3]).toBe('-7');
  });
});

describe('rows of a group query', () => {
  test('that were written in part do not count before the rest of their moment', async () => {
    const record = await start('group');
    await emitGroups(record, [0, 1, ['a', 1]], [1, 1, ['b', 1]]);
    await emitGroups({ record, more: true }, [0, 5, ['a', 1]], [2, 5, ['c', 1]]);
    const counts = async () =>
      (await allPages(`/v1/queries/${record.id}/rows?limit=1`)).items.map(
        (item) => (item as { endpoints: number }).endpoints,
      );
    const lines = async () =>
      (await api.get(`/v1/queries/${record.id}/rows?format=csv`)).text.split('\r\n').slice(1, -1);
    expect([await counts(), (await lines()).length]).toEqual([[1, 1], 2]);
    expect((await lines()).map((line) => line.split(',')[0])).toEqual(['1', '1']);
    await emitGroups(record, [1, 5, ['b', 1]]);
    expect([await counts(), (await lines()).map((line) => line.split(',')[0])]).toEqual([
      [5, 5, 5],
      ['5', '5', '5'],
    ]);
  });

  test('are folded: each group once, in its newest state', async () => {
    const record = await start('group');
    await emitGroups(record, [0, 1, ['a', 0]], [1, 1, ['b', 1]]);
    await emitGroups(record, [2, 1, ['c', 2]], [0, 5, ['a', 0]]);
    await emitGroups(record, [1, 9, ['b', 1]]);
    await api.service.end(record);
    for (const limit of [1, 2, 3, 10]) {
      const { items } = await allPages(`/v1/queries/${record.id}/rows?limit=${limit}`);
      expect(items).toMatchObject([
        { index: 0, endpoints: 5, values: ['a', 0] },
        { index: 1, endpoints: 9, values: ['b', 1] },
        { index: 2, endpoints: 1, values: ['c', 2] },
      ]);
    }
    const lines = (await api.get(`/v1/queries/${record.id}/rows?format=ndjson`)).text.trim().split('\n').slice(1);
    expect(lines.map((line) => (JSON.parse(line) as { index: number }).index)).toEqual([2, 0, 1]);
    const csv = parseCsv((await api.get(`/v1/queries/${record.id}/rows?format=csv`)).text);
    expect(csv).toEqual([
      ['endpoints', 'copies', 'sample', 'name', 'pid'],
      ['1', '1', '#7', 'c', '2'],
      ['5', '5', '#7', 'a', '0'],
      ['9', '9', '#7', 'b', '1'],
    ]);
  });
});

test('endpoints that did not answer are listed with the reason, those that recovered are not', async () => {
  const { num, agentId } = await api.agent({ facts: { host: 'web-1' } });
  const record = await start('raw');
  await api.service.emit(record, {
    t: 'failures',
    failures: [
      [num, 'timed_out', 'timed_out', 'no answer'],
      [900, 'error', 'sql_error', 'old'],
      [901, 'unreachable', 'gateway_lost', 'gone'],
    ],
  });
  await api.service.emit(record, { t: 'failures', failures: [[900, 'over_budget', 'rows', 'too many']] });
  await api.service.emit(record, { t: 'recovered', numbers: [901] });
  const path = `/v1/queries/${record.id}/endpoints`;
  const { body } = await api.get(path);
  expect(body.items).toEqual([
    { num, agentId, host: 'web-1', outcome: 'timed_out', code: 'timed_out', message: 'no answer' },
    { num: 900, agentId: null, host: null, outcome: 'over_budget', code: 'rows', message: 'too many' },
  ]);
  expect((await api.get(`${path}?outcome=over_budget`)).body.items).toHaveLength(1);
  expect((await allPages(`${path}?limit=1`)).items).toEqual(body.items);
});

describe('results of which the beginning is not kept any more', () => {
  const ledger = { ...EMPTY_LEDGER, targeted: 2, answered: 2 };

  /** Two events with rows; then everything before `from` goes, as by the stream's bound. */
  async function expire(from: 'second rows' | 'end' | 'never'): Promise<QueryRecord> {
    const record = await start('raw');
    await tellRows(record, [1, [['a', 1]]]);
    const second = await tellRows(record, [2, [['b', 2]]]);
    const ended = await api.service.end(record, { ledger, endedAtMs: Date.now() - 25 * 3_600_000 });
    const beforeSeq = { 'second rows': second, end: second + 1, never: second + 2 }[from];
    await api.connection.streams.purge(STREAMS.results.name, STREAM_SUBJECTS.result(record.org, record.id), {
      beforeSeq,
    });
    return ended;
  }

  test.each(['second rows', 'end', 'never'] as const)(
    'kept from %s: a part is never given for the whole',
    async (from) => {
      const { id } = await expire(from);
      for (const path of ['rows', 'rows?format=ndjson', 'rows?format=csv', 'endpoints']) {
        const { status, body } = await api.get(`/v1/queries/${id}/${path}`);
        expect([path, status, body.code]).toEqual([path, 410, 'results_expired']);
      }
      const events = parseSse((await api.get(`/v1/queries/${id}/events`)).text);
      expect(events.map(({ event }) => event)).toEqual(['ended']);
      const order = { action: 'dns.flush', params: {}, target: { query: id } };
      expect((await api.ask('POST', '/v1/commands', { body: order })).body.code).toBe('results_expired');
    },
  );

  test('a page whose place is not kept any more is refused', async () => {
    const record = await start('raw');
    const first = await tellRows(record, [
      1,
      [
        ['a', 1],
        ['a', 2],
      ],
    ]);
    await api.service.end(record, { ledger });
    const { body } = await api.get(`/v1/queries/${record.id}/rows?limit=1`);
    const next = `/v1/queries/${record.id}/rows?limit=1&cursor=${body.nextCursor}`;
    expect((await api.get(next)).body.items).toHaveLength(1);
    const subject = STREAM_SUBJECTS.result(record.org, record.id);
    await api.connection.streams.purge(STREAMS.results.name, subject, { beforeSeq: first + 1 });
    expect((await api.get(next)).body.code).toBe('results_expired');
  });

  test('a query whose coordinator wrote nothing but its end has no rows', async () => {
    const record = await start('raw');
    await api.connection.streams.purge(STREAMS.results.name, STREAM_SUBJECTS.result(record.org, record.id));
    await api.service.end(record, { state: 'interrupted' });
    expect((await api.get(`/v1/queries/${record.id}/rows`)).body.items).toEqual([]);
  });
});

test('a field is quoted only where it must be', () => {
  expect(csvLine(['a', '', null, ' b', 'c\n', 1, 2n])).toBe('a,"",," b","c\n",1,2\r\n');
});

/** A strict parser for RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end !== '\r\n') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
