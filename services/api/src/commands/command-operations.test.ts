import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { operations } from '@muster/api-contract';
import type { CommandReply, CommandSummary } from '@muster/messages';
import { CommandFold, encodeNumberSet, type CommandRecord } from '@muster/records';
import { ApiFixture } from '../testing/api-fixture.js';
import { commandOperations } from './command-operations.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const problem = (code: string): CommandReply => ({ t: 'problem', code, message: 'no', details: {} }) as never;
const APPROVAL = { approval: { why: 'production', role: 'responder' } } as const;
const showing = (id: string, token?: string) => api.get(`/v1/commands/${id}`, token === undefined ? {} : { token });
const targets = async (id: string, query = '') => (await api.get(`/v1/commands/${id}/targets${query}`)).body.items;

describe('a command', () => {
  test('is shown from its journal, also without a command service', async () => {
    const record = await api.commands.make({
      reason: 'ticket',
      rollout: { canary: 1, step: '10%', pauseMs: 0, abortOver: 0 },
      requestKey: 'not to be shown',
    });
    await api.commands.settle(record, 'succeeded', [1, 2]);
    api.commands.stop();
    const { body, text } = await showing(record.id);
    expect(body).toMatchObject({
      id: record.id,
      status: 'running',
      action: 'process.kill',
      params: { name: 'abc.exe' },
      target: 'os=linux',
      operator: { id: 'ann', name: 'Ann', role: 'responder' },
      reason: 'ticket',
      rollout: { canary: 1, step: '10%' },
      submittedAt: new Date(record.submittedAtMs).toISOString(),
      released: 3,
      ledger: { targeted: 3, succeeded: 1, queued: 2 },
    });
    expect(text).not.toContain('not to be shown');
    await api.commands.keep(record, {
      t: 'cancel',
      atMs: 5,
      by: { id: 'b', name: 'Bob' },
      code: 'cancelled',
      message: 'enough',
    });
    expect((await showing(record.id)).body).toMatchObject({
      status: 'ended',
      ledger: { cancelled: 2 },
      endedAt: new Date(5).toISOString(),
      cancel: { by: { name: 'Bob' }, code: 'cancelled', message: 'enough', at: new Date(5).toISOString() },
    });
  });

  test.each(['c1', `c${'0'.repeat(26)}`, 'x'.repeat(150), 'c.>'])('that is not there is not found: %s', async (id) => {
    for (const path of ['', '/targets', '/events']) {
      expect((await api.get(`/v1/commands/${encodeURIComponent(id)}${path}`)).body.code).toBe('not_found');
    }
    expect((await api.ask('DELETE', `/v1/commands/${encodeURIComponent(id)}`)).body.code).toBe('not_found');
    const approved = await api.ask('POST', `/v1/commands/${encodeURIComponent(id)}/approve`, { body: {} });
    expect(approved.body.code).toBe('not_found');
  });

  test('has its targets by name, in pages and by state, with late reports', async () => {
    const one = await api.agent({ facts: { host: 'web-1' } });
    const record = await api.commands.make({}, [one.num, 998, 999]);
    await api.commands.settle(record, 'running', [1]);
    await api.commands.settle(record, 'expired', [2]);
    await api.commands.settle(record, 'failed', [1], { code: 'x', message: 'why', effects: ['did this'] });
    await api.commands.settle(record, 'succeeded', [1], { message: 'after all' });
    const [first, second, third, ...rest] = await targets(record.id);
    expect(first).toEqual({
      number: 1,
      agentId: one.agentId,
      host: 'web-1',
      state: 'failed',
      code: 'x',
      message: 'why',
      effects: ['did this'],
      at: expect.any(String),
      late: { state: 'succeeded', code: '', message: 'after all', at: expect.any(String) },
    });
    expect([second.state, second.host, third, rest]).toEqual([
      'expired',
      null,
      { number: 3, agentId: null, host: null, state: 'queued', code: '', message: '' },
      [],
    ]);
    const numbers = async (query: string) => (await targets(record.id, query)).map((target: any) => target.number);
    expect(await numbers('?state=failed,queued')).toEqual([1, 3]);
    expect((await api.get(`/v1/commands/${record.id}/targets?state=odd`)).body.code).toBe('bad_request');
    const page = (await api.get(`/v1/commands/${record.id}/targets?limit=2`)).body;
    expect([page.status, page.items.length]).toEqual(['running', 2]);
    expect(await numbers(`?limit=2&cursor=${page.nextCursor}`)).toEqual([3]);
  });

  test('bound to rows has a target for each', async () => {
    const record = await api.commands.make({
      targets: {
        rows: [
          [7, { pid: 1 }],
          [7, { pid: 2 }],
        ],
      },
    });
    await api.commands.settle(record, 'sent', [2]);
    await api.commands.settle(record, 'refused', [2], { code: 'changed' });
    expect((await targets(record.id)).map(({ state }: { state: string }) => state)).toEqual(['sent', 'refused']);
  });
});

describe('the list of commands', () => {
  test('is newest first, paged without gaps or repeats, and can be filtered by status', async () => {
    const made: CommandRecord[] = [];
    for (let i = 0; i < 90; i += 1) made.push(await api.commands.make(i % 3 === 0 ? APPROVAL : {}));
    const all = async (query: string): Promise<string[]> => {
      const ids: string[] = [];
      for (let cursor = ''; ;) {
        const { body } = await api.get(`/v1/commands?${query}${cursor}`);
        ids.push(...body.items.map(({ id }: { id: string }) => id));
        if (body.nextCursor === undefined) return ids;
        cursor = `&cursor=${body.nextCursor}`;
      }
    };
    const newest = made.map(({ id }) => id).toReversed();
    expect(await all('limit=200')).toEqual(newest);
    expect(await all('limit=40')).toEqual(newest);
    expect(await all('limit=7')).toEqual(newest);
    expect(await all('status=awaiting_approval&limit=11')).toEqual(newest.filter((_, i) => (89 - i) % 3 === 0));
    expect((await api.get('/v1/commands?cursor=x')).body.code).toBe('bad_cursor');
  });
});

test('of one endpoint only its commands are listed, each with how it fares there', async () => {
  const [one, other] = [await api.agent({ facts: { host: 'one' } }), await api.agent({ labels: { env: 'dev' } })];
  const both = await api.commands.make({}, [one.num, other.num]);
  await api.commands.make({}, [other.num]);
  const own = await api.commands.make({}, [one.num]);
  await api.commands.settle(both, 'succeeded', [1]);
  const { items } = (await api.get(`/v1/commands?agent=${one.agentId}`)).body;
  expect(items).toMatchObject([
    { id: own.id, agentTargets: [{ number: 1, agentId: one.agentId, host: 'one', state: 'sent' }] },
    { id: both.id, ledger: { targeted: 2 }, agentTargets: [{ number: 1, state: 'succeeded' }] },
  ]);
  const { token } = await api.token({ role: 'responder', selector: 'env=prod' });
  for (const agent of [other.agentId, 'a'.repeat(24)])
    expect((await api.get(`/v1/commands?agent=${agent}`, { token })).body.code).toBe('not_found');
});

test('of one endpoint a page ends when very many targets were read, and the next one goes on', async () => {
  const [one, other] = [await api.agent(), await api.agent()];
  const nums = Array.from({ length: 100_000 }, (_, i) => i + 1_000);
  const made: string[] = [];
  for (let i = 0; i < 6; i += 1)
    made.push((await api.commands.make({}, [i % 2 === 0 ? one.num : other.num, ...nums])).id);
  const page = async (query: string) => {
    const { items, nextCursor } = (await api.get(`/v1/commands?agent=${one.agentId}${query}`)).body;
    return { ids: items.map(({ id }: { id: string }) => id), nextCursor };
  };
  const first = await page('');
  expect(first).toEqual({ ids: [made[4], made[2]], nextCursor: expect.any(String) });
  expect(await page(`&cursor=${first.nextCursor}`)).toEqual({ ids: [made[0]], nextCursor: undefined });
});

test('of one endpoint no command is kept whole until the answer is made', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const record = { org: 'acme', id: 'c0', targets: { sets: [encodeNumberSet([7])] }, submittedAtMs: 0, expiresAtMs: 0 };
  const summaries = Array.from({ length: 8 }, (_, i) => ({
    ...{ record: { ...record, id: `c${99 - i}`, operator: {} }, ledger: {}, released: 0, status: 'running' },
  })) as unknown as CommandSummary[];
  const folds: WeakRef<CommandFold>[] = [];
  let most = 0;
  const store = {
    read: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
      most = Math.max(most, folds.filter((fold) => fold.deref() !== undefined).length);
      const fold = new CommandFold(record as unknown as CommandRecord);
      folds.push(new WeakRef(fold));
      return { fold, seq: 1, endedSeq: undefined };
    },
  };
  const agent = { num: 7, agentId: 'a', facts: { host: 'h' } };
  const directory = { byId: () => agent, byNum: () => agent };
  const client = { list: () => Promise.resolve({ t: 'commands', commands: summaries }) };
  const list = commandOperations({ client, store, directory } as never).find(
    ({ id }) => id === operations.listCommands.id,
  );
  const principal = { org: 'acme', id: 'ann', bound: [] };
  const answer = await list?.handle({ principal, query: { agent: 'a', limit: 50 } } as never);
  expect((answer as never as { body: { items: object[] } }).body.items).toHaveLength(8);
  expect(folds).toHaveLength(8);
  // The one that was just read may still be held by its reader.
  expect(most).toBeLessThanOrEqual(1);
});

describe('a bounded principal', () => {
  test('sees their own commands and those within their bound, and no others', async () => {
    const inside = await api.agent({ labels: { env: 'prod' }, facts: { host: 'in' } });
    const outside = await api.agent({ labels: { env: 'dev' }, facts: { host: 'out' } });
    const { token, tokenId } = await api.token({ role: 'responder', selector: 'env=prod' });
    const nums = [inside.num, outside.num];
    const within = await api.commands.make({}, [inside.num]);
    const beyond = await api.commands.make({}, nums);
    const own = await api.commands.make({ operator: { id: tokenId, name: 'x', role: 'responder' } }, nums);
    const status = async (id: string) => (await showing(id, token)).status;
    expect([await status(within.id), await status(beyond.id), await status(own.id)]).toEqual([200, 404, 200]);
    const listed = (await api.get('/v1/commands', { token })).body.items;
    expect(listed.map(({ id }: { id: string }) => id)).toEqual([own.id]);
    for (const [method, path, body] of [
      ['DELETE', '', undefined],
      ['POST', '/undo', {}],
      ['POST', '/approve', {}],
      ['GET', '/events', undefined],
      ['GET', '/targets', undefined],
    ] as const) {
      const given = { token, ...(body === undefined ? {} : { body }) };
      expect((await api.ask(method, `/v1/commands/${beyond.id}${path}`, given)).body.code).toBe('not_found');
    }
    // An endpoint that has left the bound is not named any more, and its messages are hidden.
    await api.commands.settle(own, 'succeeded', [1, 2], { message: 'secret', effects: ['secret'] });
    const { items } = (await api.get(`/v1/commands/${own.id}/targets`, { token })).body;
    expect(items).toMatchObject([
      { host: 'in', state: 'succeeded', message: 'secret', effects: ['secret'] },
      { host: null, agentId: null, state: expect.any(String), message: '' },
    ]);
    expect(items[1]).not.toHaveProperty('effects');
  });
});

describe('cancelling', () => {
  test('is passed on with its reason, and 204 when it had ended', async () => {
    const record = await api.commands.make();
    const answer = await api.ask('DELETE', `/v1/commands/${record.id}?reason=wrong%20one`);
    expect(answer).toMatchObject({ status: 202, body: { id: record.id, cancel: { message: 'wrong one' } } });
    expect(api.commands.asked.at(-1)).toMatchObject({ t: 'cancel', id: record.id, reason: 'wrong one' });
    await api.commands.settle(record, 'succeeded', [1]);
    expect((await api.ask('DELETE', `/v1/commands/${record.id}`)).status).toBe(204);
    expect(api.commands.asked).toHaveLength(1);
  });

  test('is 204 when the command ends meanwhile, and passes on refusals', async () => {
    const [racing, refused] = [await api.commands.make(), await api.commands.make()];
    api.commands.answer = () => problem('forbidden');
    expect((await api.ask('DELETE', `/v1/commands/${refused.id}`)).body.code).toBe('forbidden');
    let settled: Promise<unknown> = Promise.resolve();
    api.commands.answer = () => {
      settled = api.commands.settle(racing, 'succeeded', [1]);
      void api.commands.settle(racing, 'expired', [2, 3]);
      return problem('conflict');
    };
    expect((await api.ask('DELETE', `/v1/commands/${racing.id}`)).status).toBe(204);
    await settled;
  });
});

describe('approving', () => {
  const approve = (id: string, token?: string) =>
    api.ask('POST', `/v1/commands/${id}/approve`, { ...(token === undefined ? {} : { token }) });

  test('is passed on, and changes nothing when the same person repeats it', async () => {
    const record = await api.commands.make(APPROVAL);
    const { token, tokenId } = await api.token({ role: 'responder', name: 'Bob' });
    const answer = await approve(record.id, token);
    expect(answer).toMatchObject({ status: 200, body: { status: 'running', approver: { id: tokenId, name: 'Bob' } } });
    expect(api.commands.asked.at(-1)).toMatchObject({ t: 'approve', id: record.id, caller: { id: tokenId } });
    expect((await approve(record.id, token)).status).toBe(200);
    expect(api.commands.asked).toHaveLength(1);
    const other = await approve(record.id);
    expect([other.status, other.body.code, other.body.detail]).toEqual([
      409,
      'conflict',
      expect.stringContaining('was approved by Bob'),
    ]);
  });

  test('one’s own command is refused by the service', async () => {
    const record = await api.commands.make(APPROVAL);
    api.commands.answer = () => problem('self_approval');
    const answer = await approve(record.id);
    expect([answer.status, answer.body.code]).toEqual([403, 'self_approval']);
  });

  test.each([
    ['not_approved', 'was not approved in time'],
    ['cancelled', 'was cancelled by Muster'],
  ])('by a link that is dead says why: %s', async (code, why) => {
    const record = await api.commands.make(APPROVAL);
    await api.commands.keep(record, { t: 'cancel', atMs: 1, by: { id: 'm', name: 'Muster' }, code, message: '' });
    const answer = await approve(record.id);
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
      409,
      'conflict',
      expect.stringContaining(why),
    ]);
    expect(api.commands.asked).toEqual([]);
  });

  test('a command that needs no approval is a conflict', async () => {
    const record = await api.commands.make({ targets: { sets: [encodeNumberSet([1])] } });
    expect((await approve(record.id)).body.detail).toContain('needs no approval');
  });
});
