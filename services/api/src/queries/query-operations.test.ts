import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeBusMessage, SUBJECTS, type ReduceStop } from '@muster/messages';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import { ledger } from '../testing/fake-query-service.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const ask = (body: unknown, headers = {}) => api.ask('POST', '/v1/queries', { body, headers });

describe('starting a query', () => {
  test('answers with the query and its location', async () => {
    const started = await ask({ sql: 'SELECT name, pid FROM processes', selector: 'os=linux' });
    expect(started.status).toBe(201);
    expect(started.headers.get('location')).toBe(`/v1/queries/${started.body.id}`);
    expect(started.body).toMatchObject({ state: 'running', mode: 'raw', timeoutMs: 30_000, columns: ['name', 'pid'] });
    expect((await api.get(started.headers.get('location') ?? '')).body.id).toBe(started.body.id);
  });

  test.each([
    ['30s', 30_000],
    ['2m', 120_000],
    ['1s', 1_000],
    ['10m', 600_000],
  ])('takes the timeout %s', async (timeout, timeoutMs) => {
    expect((await ask({ sql: 'SELECT 1', timeout })).body.timeoutMs).toBe(timeoutMs);
  });

  test.each([
    [{ timeoutMs: 0 }],
    [{ timeoutMs: 999 }],
    [{ timeoutMs: 365 * 86_400_000 }],
    [{ timeoutMs: 1500.5 }],
    [{ timeout: '1y' }],
    [{ timeout: '365d' }],
    [{ timeout: '0' }],
    [{ timeout: '30s', timeoutMs: 30_000 }],
  ])('refuses %j as bad_timeout', async (timeout) => {
    const answer = await ask({ sql: 'SELECT 1', ...timeout });
    expect([answer.status, answer.body.code]).toEqual([400, 'bad_timeout']);
    expect(api.service.asked).toEqual([]);
  });

  test.each(['os=', 'os=linux,', '(', 'os in (a', 'a b', '=x', 'os=lin\u0000ux', '💥'])(
    'refuses or accepts selector %j before anything is asked',
    async (selector) => {
      const answer = await ask({ sql: 'SELECT 1', selector });
      if (selector === 'os=') expect(answer.status).toBe(201);
      else expect([answer.status, answer.body.code]).toEqual([400, 'bad_selector']);
    },
  );

  test('refuses SQL over the limit, with NUL, or with half a character', async () => {
    expect((await ask({ sql: `SELECT '${'x'.repeat(65_536)}'` })).body.code).toBe('sql_too_long');
    expect((await ask({ sql: 'SELECT 1\0; DROP' })).body.code).toBe('sql_error');
    expect((await ask('{"sql":"SELECT \'\\ud83d\'"}')).body.code).toBe('sql_error');
    expect((await ask({ sql: '' })).body.code).toBe('bad_request');
  });

  test('passes on refusals of the query service with their position, and audits them', async () => {
    api.service.answer = () => ({
      t: 'problem',
      code: 'sql_error',
      message: 'no such table: nope',
      details: { offset: 14 },
    });
    const answer = await ask({ sql: 'SELECT * FROM nope' });
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      code: 'sql_error',
      offset: 14,
      detail: 'no such table: nope',
      retryable: false,
    });
    const [record] = await api.audit();
    expect(record).toMatchObject({
      action: 'query.start',
      outcome: 'refused',
      code: 'sql_error',
      actor: 'bootstrap',
      from: '127.0.0.1',
    });
    expect(record?.details).toMatchObject({ sql: 'SELECT * FROM nope' });
  });

  test('fails at once when there is no query service', async () => {
    api.service.stop();
    const answer = await ask({ sql: 'SELECT 1' });
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'no_query_service',
      '1',
    ]);
  });

  test('is audited with actor, SQL and scope', async () => {
    const started = await ask({ sql: 'SELECT 1', selector: 'os=linux' });
    expect(await api.audit()).toMatchObject([
      {
        action: 'query.start',
        outcome: 'allowed',
        subject: started.body.id,
        scope: 'os=linux',
        details: { sql: 'SELECT 1' },
      },
    ]);
  });
});

describe('idempotency', () => {
  const key = { 'idempotency-key': 'k-1' };

  test('a repeat under the same key gets the same answer and starts nothing', async () => {
    const first = await ask({ sql: 'SELECT 1' }, key);
    const second = await ask({ sql: 'SELECT 1' }, key);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(api.service.asked).toHaveLength(1);
  });

  test('another body under the same key is refused', async () => {
    await ask({ sql: 'SELECT 1' }, key);
    const other = await ask({ sql: 'SELECT 2' }, key);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_mismatch']);
  });

  test('the same key of another principal is another key', async () => {
    await ask({ sql: 'SELECT 1' }, key);
    const { token } = await api.token({ role: 'analyst' });
    const other = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 2' }, headers: key, token });
    expect(other.status).toBe(201);
  });

  test('a failure is not kept: the repeat tries again', async () => {
    api.service.answer = () => ({ t: 'problem', code: 'too_many_queries', message: 'busy', details: {} });
    expect((await ask({ sql: 'SELECT 1' }, key)).status).toBe(429);
    api.service.answer = () => undefined;
    expect((await ask({ sql: 'SELECT 1' }, key)).status).toBe(201);
  });

  test('two requests at the same moment start one query', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask({ sql: 'SELECT 1' }, key)));
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    expect(api.service.asked.filter(({ t }) => t === 'start')).toHaveLength(1);
  });
});

describe('reading queries', () => {
  test('lists newest first, paged without gaps or repeats', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.unshift((await ask({ sql: `SELECT ${i}` })).body.id);
    const seen: string[] = [];
    for (let cursor = '', pages = 0; pages < 10; pages += 1) {
      const page = (await api.get(`/v1/queries?limit=2${cursor}`)).body;
      seen.push(...page.items.map(({ id }: { id: string }) => id));
      if (page.nextCursor === undefined) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual(ids.toSorted().toReversed());
  });

  test('filters by state', async () => {
    const first = await ask({ sql: 'SELECT 1' });
    await ask({ sql: 'SELECT 2' });
    const record = await recordOf(first.body.id);
    await api.service.end(record);
    const complete = (await api.get('/v1/queries?state=complete')).body.items;
    expect(complete.map(({ id }: { id: string }) => id)).toEqual([first.body.id]);
    expect((await api.get('/v1/queries?state=nope')).status).toBe(400);
  });

  test('shows the live ledger of a running query', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const live = ledger({ answered: 3, waiting: 2 });
    await api.service.emit(await recordOf(id), { t: 'progress', ledger: live, elapsedMs: 10, gateways: 1 });
    expect((await api.get(`/v1/queries/${id}`)).body.ledger).toEqual(live);
  });

  test('shows the ledger of the newest event, so that rows that are kept are counted', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const record = await recordOf(id);
    await api.service.emit(record, { t: 'progress', ledger: ledger({ waiting: 2 }), elapsedMs: 10, gateways: 1 });
    const newest = ledger({ answered: 1, waiting: 1 });
    await api.service.emit(record, { t: 'rows', answers: new Uint8Array(), ledger: newest });
    expect((await api.get(`/v1/queries/${id}`)).body.ledger).toEqual(newest);
    await api.service.end(record);
    const lines = (await api.get(`/v1/queries/${id}/events`, { headers: { accept: 'application/x-ndjson' } })).text;
    expect(lines).toContain(`"answers":[],"ledger":${JSON.stringify(newest)}}`);
  });

  test('has ended as soon as its end is in the result stream, in lists too', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const record = await recordOf(id);
    const counts = ledger({ answered: 1 });
    // Its record is written a moment later.
    await api.service.emit(record, { t: 'ended', record: { ...record, state: 'complete', ledger: counts } });
    expect((await api.get(`/v1/queries/${id}`)).body).toMatchObject({ state: 'complete', ledger: counts });
    expect((await api.get(`/v1/queries/${id}/rows`)).body.state).toBe('complete');
    expect((await api.get('/v1/queries?state=running')).body.items).toEqual([]);
    expect((await api.get('/v1/queries?state=complete')).body.items).toMatchObject([{ id, state: 'complete' }]);
    expect((await api.ask('DELETE', `/v1/queries/${id}`)).status).toBe(204);
  });

  test('shows how many of the waiting endpoints poll', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const record = await recordOf(id);
    const progress = { t: 'progress', ledger: ledger({ waiting: 2 }), elapsedMs: 10, gateways: 1 } as const;
    await api.service.emit(record, { ...progress, polling: { waiting: 1, answerByMs: Date.UTC(2026, 0, 2) } });
    const polling = { waiting: 1, answerBy: '2026-01-02T00:00:00.000Z' };
    expect((await api.get(`/v1/queries/${id}`)).body.polling).toEqual(polling);
    await api.service.emit(record, progress);
    expect((await api.get(`/v1/queries/${id}`)).body).not.toHaveProperty('polling');
    await api.service.end(record);
    const lines = (await api.get(`/v1/queries/${id}/events`, { headers: { accept: 'application/x-ndjson' } })).text;
    const events = lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    expect(events.map(({ event, polling: item }) => [event, item])).toEqual([
      ['started', undefined],
      ['progress', polling],
      ['progress', undefined],
      ['ended', undefined],
    ]);
  });

  test('a cursor of another list, or a made-up one, is bad_cursor', async () => {
    for (const cursor of ['x', 'bm90anNvbg', Buffer.from('["agents",1]').toString('base64url')]) {
      const answer = await api.get(`/v1/queries?cursor=${cursor}`);
      expect([answer.status, answer.body.code]).toEqual([400, 'bad_cursor']);
    }
  });

  test('an unknown query is 404, a malformed id is 400', async () => {
    expect((await api.get(`/v1/queries/q${'0'.repeat(26)}`)).body.code).toBe('not_found');
    expect((await api.get('/v1/queries/nope')).body.code).toBe('bad_request');
  });
});

describe('cancelling', () => {
  test('asks the coordinator, and is answered 202', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const answer = await api.ask('DELETE', `/v1/queries/${id}`);
    expect([answer.status, answer.body.id]).toEqual([202, id]);
    expect(api.service.asked.at(-1)).toMatchObject({ t: 'cancel', id, by: 'bootstrap' });
    expect((await api.audit()).at(-1)).toMatchObject({ action: 'query.cancel', outcome: 'allowed', subject: id });
  });

  test('of a query that has ended is 204, without a request to a service', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    await api.service.end(await recordOf(id));
    expect((await api.ask('DELETE', `/v1/queries/${id}`)).status).toBe(204);
    expect(api.service.asked.map(({ t }) => t)).toEqual(['start']);
  });

  test('when the coordinator is gone, another service is asked to end the query', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    api.service.loseCoordinator();
    expect((await api.ask('DELETE', `/v1/queries/${id}`)).status).toBe(202);
    expect(api.service.asked.at(-1)).toMatchObject({ t: 'cancel', id });
    expect(api.service.askedOf.at(-1)).toBe('cancel any');
  });

  test('a query of another principal needs the role responder', async () => {
    const { id } = (await ask({ sql: 'SELECT 1' })).body;
    const { token } = await api.token({ role: 'analyst' });
    expect((await api.ask('DELETE', `/v1/queries/${id}`, { token })).body.code).toBe('forbidden');
    const responder = await api.token({ role: 'responder' });
    expect((await api.ask('DELETE', `/v1/queries/${id}`, { token: responder.token })).status).toBe(202);
  });
});

test('reduces over the rows, with integers beyond 2^53 exact', async () => {
  const { id } = (await ask({ sql: 'SELECT 1' })).body;
  const answer = await api.ask('POST', `/v1/queries/${id}/reduce`, { body: { sql: 'SELECT count(*) n FROM rows' } });
  expect(answer.body).toEqual({ columns: ['n'], rows: [['1152921504606846976']], truncated: false });
});

test('a reduction whose viewer has gone is ended, and takes the share of that operator', async () => {
  const { id } = (await ask({ sql: 'SELECT 1' })).body;
  const stopped = new Promise<string | undefined>((resolve) => {
    api.connection.bus.subscribe(SUBJECTS.reduceStops, ({ data }) =>
      resolve(decodeBusMessage<ReduceStop>(data, 'reduce_stop')?.job),
    );
  });
  api.service.frozen = true;
  const leaving = new AbortController();
  const viewer = fetch(`${api.url}/v1/queries/${id}/reduce`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ sql: 'SELECT 1' }),
    signal: leaving.signal,
  }).catch(() => 'gone');
  const asked = () => api.service.asked.find((request) => request.t === 'reduce');
  await eventually(() => asked() !== undefined);
  leaving.abort();
  expect(await viewer).toBe('gone');
  expect(asked()).toMatchObject({ job: await stopped, operator: expect.stringMatching(/./) });
});

async function recordOf(id: string) {
  const { decodeQueryRecord, STREAM_SUBJECTS, STREAMS } = await import('@muster/records');
  const entry = await api.connection.streams.last(
    STREAMS.queries.name,
    STREAM_SUBJECTS.query('default' as never, id as never),
  );
  return decodeQueryRecord(entry!.data) as import('@muster/records').QueryRecord;
}
