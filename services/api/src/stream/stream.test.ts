import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeCbor, type OrgId } from '@muster/protocol';
import { AnswerBlockWriter, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import type { QueryStore } from '../queries/query-store.js';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { Browser } from '../testing/browser.js';
import { StreamReader } from '../testing/stream-reader.js';

let api: ApiFixture;
const readers: StreamReader[] = [];
beforeEach(async () => {
  api = await ApiFixture.start({
    streamIntervals: { heartbeatMs: 100, stallMs: 30_000 },
    viewerBounds: { total: 200, perOrg: 200, perOperator: 100 },
  });
});
afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await api.stop();
});

async function open(subscriptions: readonly object[] = [], token = api.adminToken): Promise<StreamReader> {
  const reader = await StreamReader.open(api.url, { authorization: `Bearer ${token}` }, subscriptions);
  readers.push(reader);
  return reader;
}

const change = (reader: StreamReader, body: object, token = api.adminToken) =>
  api.ask('POST', `/v1/stream/${reader.id}`, { body, token });

async function startQuery(): Promise<QueryRecord> {
  const { id } = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT name, pid FROM processes' } })).body;
  return (await (api.api.components['queries'] as unknown as QueryStore).read(ORG, id)) as QueryRecord;
}

function rows(num: number, count: number): Uint8Array {
  const block = new AnswerBlockWriter();
  block.add(num, Buffer.concat(Array.from({ length: count }, (_, i) => encodeCbor([`a process with number ${i}`, i]))));
  return block.bytes();
}

/** What the stream of its own says. */
async function single(path: string): Promise<unknown[]> {
  const { text } = await api.get(path, { headers: { accept: 'application/x-ndjson' } });
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.includes('heartbeat'))
    .map((line) => JSON.parse(line) as unknown);
}

describe('one stream', () => {
  test('has for each subscription the events that its own stream has, and says when one is over', async () => {
    const { num } = await api.agent();
    const [a, b] = [await startQuery(), await startQuery()];
    const reader = await open([
      { id: 'a', kind: 'query', queryId: a.id },
      { id: 'b', kind: 'query', queryId: b.id, rows: 'objects' },
    ]);
    for (const record of [b, a]) {
      await api.service.emit(record, { t: 'rows', answers: rows(num, 3) });
      await api.service.end(record);
    }
    const command = await api.commands.make({ org: ORG }, [num]);
    await api.commands.settle(command, 'succeeded', [1], { message: 'done' });
    expect(
      (await change(reader, { add: [{ id: 'c', kind: 'command', commandId: command.id }] })).body.subscriptions,
    ).toContain('c');
    await eventually(() => ['a', 'b', 'c'].every((sub) => reader.names(sub).at(-1) === 'closed'));
    expect(reader.of('a').slice(0, -1)).toEqual(await single(`/v1/queries/${a.id}/events`));
    expect(reader.of('b').slice(0, -1)).toEqual(await single(`/v1/queries/${b.id}/events?rows=objects`));
    expect(reader.of('c').slice(0, -1)).toEqual(await single(`/v1/commands/${command.id}/events`));
    expect((await change(reader, {})).body).toEqual({ subscriptions: [] });
  });

  test('goes on after the last event that was seen of each', async () => {
    const record = await startQuery();
    const first = await open([{ id: 'q', kind: 'query', queryId: record.id }]);
    await eventually(() => first.of('q').length === 1);
    const after = Number(first.of('q')[0]?.seq);
    await first.close();
    await api.service.end(record);
    const second = await open([{ id: 'q', kind: 'query', queryId: record.id, after }]);
    await eventually(() => second.names('q').join() === 'ended,closed');
  });

  test('after the end of a query, or after what never was, the end is told at once', async () => {
    const [ended, running] = [await startQuery(), await startQuery()];
    await api.service.end(ended);
    const all = await single(`/v1/queries/${ended.id}/events`);
    const last = (all as { readonly seq: number }[]).at(-1)?.seq ?? 0;
    expect(last).toBeGreaterThan(0);
    const reader = await open([
      { id: 'seen', kind: 'query', queryId: ended.id, after: last },
      { id: 'never', kind: 'query', queryId: ended.id, after: last + 1_000 },
      { id: 'later', kind: 'query', queryId: running.id, after: last + 1_000 },
    ]);
    await eventually(() => ['seen', 'never'].every((sub) => reader.names(sub).join() === 'ended,closed'));
    expect(reader.of('seen')[0]).toMatchObject({ seq: null, synthesized: true, query: { id: ended.id } });
    expect(reader.names('later')).toEqual([]);
    await api.service.end(running);
    await eventually(() => reader.names('later').join() === 'ended,closed');
  });

  test('adds, removes and replaces subscriptions; what was removed says nothing more', async () => {
    const [a, b] = [await startQuery(), await startQuery()];
    const reader = await open([{ id: 'x', kind: 'query', queryId: a.id }]);
    await eventually(() => reader.names('x').length === 1);
    expect(
      (await change(reader, { remove: ['x', 'unknown'], add: [{ id: 'y', kind: 'query', queryId: a.id }] })).body,
    ).toEqual({ subscriptions: ['y'] });
    await change(reader, { add: [{ id: 'y', kind: 'query', queryId: b.id }] });
    await eventually(() => reader.of('y').some((event) => JSON.stringify(event).includes(b.id)));
    await api.service.end(a);
    await api.service.end(b);
    await eventually(() => reader.names('y').at(-1) === 'closed');
    expect(reader.names('x')).toEqual(['started']);
    expect(JSON.stringify(reader.of('y').slice(-2))).not.toContain(a.id);
  });

  test('tells of queries and commands of the org as they begin, wait for approval and end', async () => {
    const reader = await open([
      { id: 'q', kind: 'queries' },
      { id: 'c', kind: 'commands' },
    ]);
    await eventually(() => reader.names('q').length === 1 && reader.names('c').length === 1);
    const record = await startQuery();
    await api.service.end(record);
    const approval = { why: 'the policy says so', role: 'responder' } as const;
    const command = await api.commands.make({ org: ORG, approval }, [1]);
    const other = await api.commands.make({ org: ORG }, [1]);
    await api.commands.settle(other, 'succeeded', [1], { message: 'done' });
    await api.commands.make({ org: 'other' as OrgId }, [1]);
    await eventually(() => reader.of('q').length === 3 && reader.of('c').length >= 4);
    expect(reader.of('q').map((event) => (event as { query?: { state: string } }).query?.state)).toEqual([
      undefined,
      'running',
      'complete',
    ]);
    const told = reader
      .of('c')
      .flatMap((event) => ((event as { command?: { id: string; status: string } }).command ?? []) as never[]) as {
      id: string;
      status: string;
    }[];
    expect(told.filter(({ id }) => id === command.id).map(({ status }) => status)).toEqual(['awaiting_approval']);
    expect(told.filter(({ id }) => id === other.id).at(-1)?.status).toBe('ended');
    const after = reader.of('c')[1]?.seq;
    const late = await open([{ id: 'c', kind: 'commands', after }]);
    await eventually(() => late.of('c').length === reader.of('c').length - 1);
  });

  test('counts the endpoints of a selector, at once and whenever the counts have changed', async () => {
    await api.agent({ mode: 'live', labels: { site: 'one' } });
    const reader = await open([{ id: 'n', kind: 'fleet', selector: 'site=one', by: ['os'], every: '2s' }]);
    await eventually(() => reader.of('n').length === 1);
    expect(reader.of('n')[0]).toMatchObject({
      counts: { total: 1, live: 1, poll: 0, offline: 0, labels: { os: { linux: 1 } } },
    });
    await api.agent({ mode: 'poll', labels: { site: 'one' } });
    await eventually(() => reader.of('n').length === 2, 'a second count', 15_000);
    expect(reader.of('n')[1]).toMatchObject({ counts: { total: 2, live: 1, poll: 1 } });
  });
});

describe('a subscription that cannot be had', () => {
  test('is refused, and the others go on', async () => {
    const record = await startQuery();
    const nobody = `q${'0'.repeat(26)}`;
    const reader = await open([
      { id: 'none', kind: 'query', queryId: nobody },
      { id: 'agent', kind: 'metrics', agentId: 'a'.repeat(24) },
      { id: 'good', kind: 'query', queryId: record.id },
    ]);
    await eventually(
      () =>
        reader.names('good').length === 1 && reader.names('none').length === 1 && reader.names('agent').length === 1,
    );
    for (const sub of ['none', 'agent'])
      expect(reader.of(sub)).toMatchObject([{ event: 'refused', problem: { code: 'not_found', status: 404 } }]);
    const bad = await api.ask('POST', '/v1/stream', {
      body: { subscriptions: [{ id: 'x', kind: 'fleet', selector: 'os=(' }] },
    });
    expect([bad.status, bad.body.code]).toEqual([400, 'bad_selector']);
    const many = Array.from({ length: 65 }, (_, i) => ({ id: `${i}`, kind: 'queries' }));
    expect((await api.ask('POST', '/v1/stream', { body: { subscriptions: many } })).status).toBe(400);
    expect((await change(reader, { add: many.slice(0, 64) })).status).toBe(409);
  });

  test('is not shown to another org, or beyond a selector', async () => {
    const { agentId } = await api.agent({ labels: { site: 'two' } });
    const record = await startQuery();
    const command = await api.commands.make({ org: ORG }, [1]);
    const strangers = [
      await api.token({ role: 'admin', org: 'other' as OrgId }),
      await api.token({ role: 'viewer', selector: 'site=one' }),
    ];
    for (const { token } of strangers) {
      const reader = await open(
        [
          { id: 'q', kind: 'query', queryId: record.id },
          { id: 'c', kind: 'command', commandId: command.id },
          { id: 'm', kind: 'metrics', agentId },
          { id: 'n', kind: 'fleet' },
          { id: 'qs', kind: 'queries' },
          { id: 'cs', kind: 'commands' },
        ],
        token,
      );
      await eventually(() => ['q', 'c', 'm', 'n', 'qs', 'cs'].every((sub) => reader.of(sub).length > 0));
      const witness = await open([
        { id: 'qs', kind: 'queries' },
        { id: 'cs', kind: 'commands' },
      ]);
      await eventually(() => witness.of('qs').length + witness.of('cs').length === 2);
      await api.service.end(await startQuery());
      await api.commands.make({ org: ORG }, [1]);
      await eventually(() => witness.of('qs').length === 3 && witness.of('cs').length === 2);
      for (const sub of ['q', 'c', 'm'])
        expect(reader.of(sub)).toMatchObject([{ event: 'refused', problem: { code: 'not_found' } }]);
      expect(reader.of('n')[0]).toMatchObject({ counts: { total: 0 } });
      expect([reader.names('qs'), reader.names('cs')]).toEqual([['began'], ['began']]);
    }
  });

  test('counts like an event stream of its own', async () => {
    const { token } = await api.token({ role: 'viewer' });
    const three = Array.from({ length: 50 }, (_, i) => ({ id: `${i}`, kind: 'queries' }));
    const [one, two] = [await open(three, token), await open(three, token)];
    await eventually(() => one.messages.length === 51 && two.messages.length === 51);
    const more = await open([{ id: 'more', kind: 'queries' }], token);
    await eventually(() => more.names('more').length === 1);
    expect(more.of('more')).toMatchObject([{ event: 'refused', problem: { code: 'rate_limited' } }]);
    await change(one, { remove: ['0'] }, token);
    await eventually(async () => {
      await change(more, { add: [{ id: 'again', kind: 'queries' }] }, token);
      await eventually(() => more.names('again').length > 0);
      return more.names('again').includes('began');
    });
  });
});

describe('whose stream it is', () => {
  test('nobody else changes it, and it ends with its token', async () => {
    const { token, tokenId } = await api.token({ role: 'viewer' });
    const reader = await open([{ id: 'q', kind: 'queries' }], token);
    for (const stranger of [
      api.adminToken,
      (await api.token({ role: 'viewer' })).token,
      (await api.token({ role: 'admin', org: 'other' as OrgId })).token,
    ]) {
      expect((await change(reader, { remove: ['q'] }, stranger)).status).toBe(404);
    }
    expect((await change(reader, {}, token)).body).toEqual({ subscriptions: ['q'] });
    await api.ask('DELETE', `/v1/tokens/${tokenId}`);
    await reader.ended;
  });

  test('a session has its own, which ends with it; the token behind it has no part in it', async () => {
    const browser = new Browser(api.port);
    await browser.ask('POST', '/v1/session', { body: { token: api.adminToken } });
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
    const reader = await StreamReader.open(api.url, { cookie, 'muster-request': 'console' }, [
      { id: 'q', kind: 'queries' },
    ]);
    expect((await change(reader, {})).status).toBe(404);
    expect((await browser.ask('POST', `/v1/stream/${reader.id}`, { body: {} })).body).toEqual({ subscriptions: ['q'] });
    await browser.ask('DELETE', '/v1/session');
    await reader.ended;
  });

  test('watching an endpoint is kept in the audit record', async () => {
    const { agentId } = await api.agent();
    const reader = await open([{ id: 'm', kind: 'metrics', agentId, past: '0' }]);
    await eventually(async () =>
      (await api.audit()).some(({ action, subject }) => action === 'metrics.watch' && subject === agentId),
    );
    expect(reader.names('m')).not.toContain('refused');
  });
});

test('a slow reader holds no more than an item of each subscription, and a busy query does not keep others waiting', async () => {
  const { num } = await api.agent();
  const record = await startQuery();
  const reader = await open([
    { id: 'busy', kind: 'query', queryId: record.id },
    { id: 'quiet', kind: 'queries' },
  ]);
  await eventually(() => reader.names('quiet').length === 1);
  reader.pause(true);
  // Some 20 MB of JSON, far more than sockets hold.
  const answers = rows(num, 5_000);
  for (let i = 0; i < 80; i += 1) await api.service.emit(record, { t: 'rows', answers });
  // The connection of calls before may have been idle for too long.
  await eventually(() =>
    startQuery().then(
      () => true,
      () => false,
    ),
  );
  await eventually(() => Math.max(...api.bufferedBytes()) > 0);
  expect(Math.max(...api.bufferedBytes())).toBeLessThan(2 * 1024 * 1024);
  reader.pause(false);
  await eventually(() => reader.names('quiet').length >= 2, 'the quiet one', 20_000);
  expect(reader.names('busy').length).toBeLessThan(70);
  await api.service.end(record);
  await eventually(() => reader.names('busy').at(-1) === 'closed', 'the busy one', 60_000);
  expect(reader.names('busy').filter((name) => name === 'rows')).toHaveLength(80);
}, 120_000);
