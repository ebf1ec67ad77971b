import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandReply, SubmitCommand } from '@muster/messages';
import { decodeCbor, encodeCbor } from '@muster/protocol';
import { AnswerBlockWriter, STREAM_SUBJECTS, type AuditRecord, type QueryRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import type { QueryStore } from '../queries/query-store.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const KILL = { action: 'process.kill', params: { name: 'abc.exe' }, target: { selector: 'os=linux' } };
const submit = (body: object, headers = {}, token?: string) =>
  api.ask('POST', '/v1/commands', { body, headers, ...(token === undefined ? {} : { token }) });
const lastAsked = () => api.commands.asked.at(-1) as SubmitCommand;
const problem = (code: string, message = 'no'): CommandReply => ({ t: 'problem', code, message, details: {} }) as never;
const audited = async (action: string): Promise<AuditRecord[]> => {
  await new Promise((resolve) => setImmediate(resolve));
  return (await api.audit()).filter((record) => record.action === action);
};

describe('a command request', () => {
  test('can be answered with the outcome: the service is asked to wait, up to a limit', async () => {
    const ask = (wait: string) => api.ask('POST', `/v1/commands?wait=${wait}`, { body: KILL });
    expect((await ask('5s')).status).toBe(202);
    expect(lastAsked().waitMs).toBe(5_000);
    expect((await submit(KILL)).status).toBe(202);
    expect(lastAsked().waitMs).toBeUndefined();
    const before = api.commands.asked.length;
    for (const wait of ['31s', '-1s', 'soon'])
      expect(await ask(wait)).toMatchObject({ status: 400, body: { code: 'bad_timeout' } });
    expect(api.commands.asked).toHaveLength(before);
  });

  test('is accepted when a command service has journalled it, with all its members', async () => {
    const { token, tokenId } = await api.token({ role: 'responder', selector: 'env=prod' });
    const answer = await submit(
      {
        ...KILL,
        dryRun: true,
        expiresIn: '2h',
        timeout: '90s',
        rollout: { canary: 2, step: '25%', pause: '1m', abortOver: '10%' },
        reason: 'ticket 4711',
      },
      {},
      token,
    );
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/commands/${answer.body.id}`);
    expect(answer.body).toMatchObject({ status: 'running', dryRun: true, repeated: false, ledger: { targeted: 3 } });
    expect(lastAsked()).toMatchObject({
      t: 'submit',
      org: ORG,
      caller: { id: tokenId, name: 'a responder', role: 'responder', bound: 'env=prod', from: '127.0.0.1' },
      action: 'process.kill',
      params: { name: 'abc.exe', signal: 'KILL' },
      target: { selector: 'os=linux' },
      dryRun: true,
      expiresInMs: 7_200_000,
      timeoutMs: 90_000,
      rollout: { canary: 2, step: '25%', pauseMs: 60_000, abortOver: 0.1 },
      reason: 'ticket 4711',
    });
    expect((await api.get(`/v1/commands/${answer.body.id}`)).body).toMatchObject({ id: answer.body.id });
  });

  test('has defaults: a day, the action’s own timeout, no rollout; a rollout has its own', async () => {
    await submit(KILL);
    expect(lastAsked()).toMatchObject({ dryRun: false, expiresInMs: 86_400_000 });
    for (const name of ['timeoutMs', 'rollout', 'reason']) expect(lastAsked()).not.toHaveProperty(name);
    await submit({ ...KILL, rollout: {} });
    expect(lastAsked().rollout).toEqual({ canary: 1, step: '10%', pauseMs: 30_000, abortOver: 0.05 });
  });

  test('names each endpoint once, or rows with the columns that the action compares', async () => {
    const { agentId } = await api.agent();
    await submit({ ...KILL, target: { agentIds: [agentId, agentId] } });
    expect(lastAsked().target).toEqual({ agentIds: [agentId] });
    const row = { pid: '12', start_time: 7, path: '/x', cmdline: 'not compared' };
    await submit({ action: 'process.kill', target: { rows: [{ agentId, row }] } });
    expect(lastAsked().target).toEqual({ rows: [{ agentId, row: { pid: 12, start_time: 7, path: '/x' } }] });
  });

  test('is planned the same way, and nothing is submitted', async () => {
    const { status, body } = await api.ask('POST', '/v1/commands/plan', { body: KILL });
    expect([status, body]).toEqual([200, { targets: 3, connected: 1, unsupported: 0 }]);
    expect(api.commands.asked.map(({ t }) => t)).toEqual(['plan']);
    expect((await api.ask('POST', '/v1/commands/plan', { body: { ...KILL, action: 'x' } })).body.code).toBe(
      'unknown_action',
    );
  });

  test('is for responders', async () => {
    const { token } = await api.token({ role: 'analyst' });
    const refused = await submit(KILL, {}, token);
    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
    expect(api.commands.asked).toEqual([]);
  });
});

describe('a command request is refused', () => {
  const agentId = 'a'.repeat(24);
  const faultsOf = (body: object): string[] =>
    (body as { faults: { pointer: string }[] }).faults.map(({ pointer }) => pointer);

  test.each([
    [{ action: 'process.maim' }, 422, 'unknown_action', ['#/action']],
    [{ action: 'undo', params: { command: 'c1' } }, 422, 'unknown_action', ['#/action']],
    [{ params: { pid: 'one', signal: 'HUP' } }, 422, 'bad_params', ['#/params/pid', '#/params/signal']],
    [{ params: { name: 'x', 'a/b~c d': 1 } }, 422, 'bad_params', ['#/params/a~1b~0c%20d']],
    [{ params: {} }, 422, 'bad_params', ['#/params']],
    [
      {
        params: {},
        target: {
          rows: [
            { agentId, row: { pid: 1, start_time: 2 } },
            { agentId, row: { pid: 1 } },
          ],
        },
      },
      422,
      'bad_params',
      ['#/target/rows/1/row/start_time'],
    ],
    [{ target: { rows: [{ agentId, row: { pid: 1, start_time: 2 } }] } }, 422, 'bad_params', ['#/params/name']],
    [{ target: { selector: 'os==,' } }, 400, 'bad_selector', ['#/target/selector']],
    [{ target: { agentIds: ['nobody'] } }, 400, 'bad_request', ['#/target/agentIds/0']],
    [{ target: {} }, 400, 'bad_request', ['#/target']],
    [{ target: { selector: '', query: `q${'0'.repeat(26)}` } }, 400, 'bad_request', ['#/target']],
    [{ expiresIn: '8d' }, 400, 'bad_timeout', ['#/expiresIn']],
    [{ timeout: 10 }, 400, 'bad_timeout', ['#/timeout']],
    [{ rollout: { step: '0%' } }, 422, 'bad_rollout', ['#/rollout/step']],
    [{ rollout: { canary: 0, pause: 'soon', abortOver: 5 } }, 422, 'bad_rollout', undefined],
    [{ extra: 1 }, 400, 'bad_request', ['#']],
    [{ reason: 'x'.repeat(501) }, 400, 'bad_request', ['#/reason']],
  ])('%j is a problem that says where', async (change, status, code, pointers) => {
    const answer = await submit({ ...KILL, ...change });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    const found = faultsOf(answer.body);
    expect(found).toEqual(pointers ?? ['#/rollout/canary', '#/rollout/pause', '#/rollout/abortOver']);
    expect(api.commands.asked).toEqual([]);
    const [record, ...rest] = await audited('command.submit');
    expect([record?.outcome, record?.code, rest]).toEqual(['refused', code, []]);
  });

  test.each([
    'no_targets',
    'too_many_targets',
    'bad_params',
    'revoked',
    'forbidden',
    'broker_unavailable',
    'too_large',
  ])('for the command service is the same problem here: %s, and it alone keeps the record of it', async (code) => {
    api.commands.answer = () => problem(code, 'the service says why');
    const answer = await submit(KILL);
    expect(answer.body).toMatchObject({ code, detail: 'the service says why' });
    expect(await audited('command.submit')).toEqual([]);
  });

  test('with 503 and Retry-After when no command service listens', async () => {
    api.commands.stop();
    const answer = await submit(KILL);
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'no_command_service',
      '1',
    ]);
    expect(await audited('command.submit')).toMatchObject([{ outcome: 'failed', code: 'no_command_service' }]);
    expect((await api.get('/v1/commands')).body.code).toBe('no_command_service');
  });

  test('with broker_unavailable while the broker is unreachable', async () => {
    api.connection.bus.setConnected(false);
    expect((await submit(KILL)).body.code).toBe('broker_unavailable');
    api.connection.bus.setConnected(true);
  });
});

describe('a command request under an idempotency key', () => {
  const KEY = { 'idempotency-key': 'one' };

  test('makes one command, whichever process answers the repeat', async () => {
    const [first, again] = [await submit(KILL, KEY), await submit(KILL, KEY)];
    expect([first.status, again.status, again.body.id]).toEqual([202, 202, first.body.id]);
    expect(api.commands.asked).toHaveLength(1);
    expect(lastAsked().requestKey).toMatch(/^[0-9a-f]{40}$/);
    const key = lastAsked().requestKey;
    await submit(KILL, { 'idempotency-key': 'two' });
    const { token } = await api.token({ role: 'admin' });
    await submit(KILL, KEY, token);
    expect(new Set([key, ...api.commands.asked.map((asked) => (asked as SubmitCommand).requestKey)]).size).toBe(3);
    expect((await audited('command.submit')).map(({ details }) => details)).toEqual([{ replayed: true }]);
  });

  test('whose answer was lost with its process is found by the repeat at once', async () => {
    const first = await submit(KILL, KEY);
    // As a process leaves it that dies between the command and its answer: running, for ever.
    const subject = `${STREAM_SUBJECTS.idempotency(ORG, 'x').slice(0, -1)}*`;
    const { streams } = api.connection;
    for await (const entry of streams.read('MUSTER_IDEMPOTENCY', { subject })) {
      const { fingerprint, atMs } = decodeCbor(entry.data) as { fingerprint: string; atMs: number };
      await streams.append(entry.subject, encodeCbor({ state: 'running', fingerprint, atMs }));
    }
    const second = await submit(KILL, KEY);
    expect(second).toMatchObject({ status: 202, body: { id: first.body.id, repeated: true } });
    expect(api.commands.asked).toHaveLength(2);
  });

  test('is refused for another request', async () => {
    await submit(KILL, KEY);
    const other = await submit({ ...KILL, params: { name: 'other.exe' } }, KEY);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_mismatch']);
    expect(api.commands.asked).toHaveLength(1);
  });

  test('that failed is carried out by the repeat', async () => {
    api.commands.answer = () => problem('no_targets');
    expect((await submit(KILL, KEY)).body.code).toBe('no_targets');
    api.commands.answer = () => undefined;
    expect((await submit(KILL, KEY)).status).toBe(202);
  });
});

describe('the rows of a query', () => {
  async function query(change: Partial<QueryRecord> = {}): Promise<QueryRecord> {
    api.service.columns = ['pid', 'start_time', 'path'];
    const { id } = (
      await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT pid, start_time, path FROM processes' } })
    ).body;
    const record = (await (api.api.components['queries'] as unknown as QueryStore).read(ORG, id)) as QueryRecord;
    await api.service.keep({ ...record, ...change });
    return { ...record, ...change };
  }
  async function rows(record: QueryRecord, num: number, values: readonly unknown[][]): Promise<void> {
    const block = new AnswerBlockWriter();
    block.add(num, Buffer.concat(values.map((row) => encodeCbor(row))));
    await api.service.emit(record, { t: 'rows', answers: block.bytes() });
  }
  const act = (id: string, token?: string) => submit({ action: 'process.kill', target: { query: id } }, {}, token);

  test('become the rows of the request', async () => {
    const { agentId, num } = await api.agent();
    const record = await query();
    await rows(record, num, [
      [1, 10, '/a'],
      [2, 2n ** 60n, null],
    ]);
    await api.service.end(record);
    expect((await act(record.id)).status).toBe(202);
    expect(lastAsked().target).toEqual({
      rows: [
        { agentId, row: { pid: 1, start_time: 10, path: '/a' } },
        { agentId, row: { pid: 2, start_time: (2n ** 60n).toString() } },
      ],
    });
  });

  test('must be complete, name endpoints, and be visible to the caller', async () => {
    const { num } = await api.agent();
    const running = await query();
    await rows(running, num, [[1, 10, '/a']]);
    expect((await act(running.id)).body).toMatchObject({ code: 'conflict', faults: [{ pointer: '#/target/query' }] });
    await api.service.end(running);
    const { token } = await api.token({ role: 'responder', selector: 'os=linux' });
    expect((await act(running.id, token)).body.code).toBe('not_found');
    const grouped = await query({ mode: 'group' });
    await api.service.end(grouped);
    expect((await act(grouped.id)).body.code).toBe('bad_request');
    const empty = await query();
    await api.service.end(empty);
    expect((await act(empty.id)).body.code).toBe('no_targets');
    const strange = await query();
    await rows(strange, num, [['x', 1, '/a']]);
    await api.service.end(strange);
    expect((await act(strange.id)).body).toMatchObject({
      code: 'bad_params',
      faults: [{ pointer: '#/target/query/pid' }],
    });
    expect(api.commands.asked).toEqual([]);
  });
});

describe('an undo', () => {
  test('is a command of its own, under the name of the caller', async () => {
    const done = await submit(KILL);
    const answer = await api.ask('POST', `/v1/commands/${done.body.id}/undo`, {
      body: { dryRun: true, reason: 'wrong one' },
      headers: { 'idempotency-key': 'u' },
    });
    expect(answer).toMatchObject({ status: 202, body: { undoes: done.body.id, action: 'undo' } });
    expect(lastAsked()).toMatchObject({ t: 'undo', id: done.body.id, dryRun: true, expiresInMs: 86_400_000 });
    expect(lastAsked().requestKey).toMatch(/^[0-9a-f]{40}$/);
    expect((await api.ask('POST', `/v1/commands/${done.body.id}/undo`)).status).toBe(202);
  });

  test('of a command that cannot be undone or does not exist is a problem', async () => {
    const done = await submit(KILL);
    api.commands.answer = () => problem('not_undoable');
    const answer = await api.ask('POST', `/v1/commands/${done.body.id}/undo`, { body: {} });
    expect([answer.status, answer.body.code]).toEqual([409, 'not_undoable']);
    expect((await api.ask('POST', '/v1/commands/c1/undo', { body: {} })).body.code).toBe('not_found');
    await eventually(async () => (await audited('command.undo')).length === 1);
  });
});
