import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { DirectoryWriter, type Endpoint } from '@muster/directory';
import type { AgentId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type ModeOverrideRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { ModeOverrides } from './mode-overrides.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const overrideMode = (body: object, options = {}) => api.ask('POST', '/v1/agents/mode', { body, ...options });
const show = async (agentId: string) => (await api.get(`/v1/agents/${agentId}`)).body;

async function kept(agentId: AgentId): Promise<ModeOverrideRecord | undefined> {
  const entry = await api.connection.streams.last(STREAMS.identities.name, STREAM_SUBJECTS.mode(ORG, agentId));
  return entry === undefined ? undefined : decodeRecord<ModeOverrideRecord>(entry.data);
}

async function fleet() {
  const live = await api.agent({ labels: { env: 'prod' }, mode: 'live' });
  const poll = await api.agent({ labels: { env: 'prod' }, mode: 'poll' });
  const offline = await api.agent({ labels: { env: 'dev' } });
  return { live, poll, offline };
}

describe('a mode override', () => {
  test('is kept for each agent of the selection, answered with when agents receive it, and audited', async () => {
    const { live, poll, offline } = await fleet();
    const answer = await overrideMode({ selector: '', mode: 'poll', interval: '90s', reason: 'incident 4711' });
    expect(answer.body).toEqual({
      ...{ matched: 3, changed: 3, unchanged: 0, failed: 0 },
      connected: { live: 1, poll: 1, offline: 1 },
    });
    for (const { agentId } of [live, poll, offline]) {
      expect(await kept(agentId)).toEqual({
        ...{ mode: 'poll', intervalMs: 90_000, reason: 'incident 4711', by: 'bootstrap', atMs: expect.any(Number) },
      });
    }
    await eventually(async () => (await show(offline.agentId)).wanted !== undefined);
    expect((await show(offline.agentId)).wanted).toEqual({
      ...{ mode: 'poll', intervalMs: 90_000, reason: 'incident 4711', by: 'bootstrap', at: expect.any(String) },
    });
    expect((await api.audit()).at(-1)).toMatchObject({
      action: 'agent.mode',
      outcome: 'allowed',
      details: { selector: '', mode: 'poll', intervalMs: 90_000, reason: 'incident 4711', matched: 3, changed: 3 },
    });
  });

  test('with `mode` in the selector applies to agents by their present connection', async () => {
    const { poll } = await fleet();
    const answer = await overrideMode({ selector: 'mode=poll', mode: 'live' });
    expect(answer.body).toMatchObject({ matched: 1, changed: 1, connected: { live: 0, poll: 1, offline: 0 } });
    expect(await kept(poll.agentId)).toMatchObject({ mode: 'live', reason: '' });
  });

  test('that changes nothing is not written again', async () => {
    const { live } = await fleet();
    await overrideMode({ selector: 'mode=live', mode: 'live' });
    const before = await kept(live.agentId);
    await eventually(async () => (await show(live.agentId)).wanted !== undefined);
    expect((await overrideMode({ selector: 'env=prod', mode: 'live' })).body).toMatchObject({
      changed: 1,
      unchanged: 1,
    });
    expect(await kept(live.agentId)).toEqual(before);
    expect((await overrideMode({ selector: 'mode=live', mode: 'live', interval: 5_000 })).body).toMatchObject({
      changed: 1,
    });
    expect((await overrideMode({ selector: 'env=dev', mode: 'default' })).body).toMatchObject({
      changed: 0,
      unchanged: 1,
    });
  });

  test('with a lease ends by itself, and is written again each time', async () => {
    const { live } = await fleet();
    const body = { agentIds: [live.agentId], mode: 'live', for: '2h' };
    expect((await overrideMode(body)).body).toMatchObject({ matched: 1, changed: 1 });
    const record = await kept(live.agentId);
    expect((record?.untilMs ?? 0) - (record?.atMs ?? 0)).toBe(7_200_000);
    await eventually(async () => (await show(live.agentId)).wanted !== undefined);
    expect((await show(live.agentId)).wanted.until).toBe(new Date(record?.untilMs ?? 0).toISOString());
    expect((await overrideMode(body)).body).toMatchObject({ changed: 1, unchanged: 0 });
  });

  test('whose lease has ended has no effect', async () => {
    const { live } = await fleet();
    const over = { mode: 'poll', untilMs: Date.now() - 1_000, reason: 'x', by: 'y', atMs: 1 } as const;
    await new DirectoryWriter({ streams: api.connection.streams }).overrideMode(ORG, live.agentId, over);
    expect((await overrideMode({ selector: 'mode=live', mode: 'default' })).body).toMatchObject({
      unchanged: 1,
      changed: 0,
    });
    expect(await show(live.agentId)).not.toHaveProperty('wanted');
  });

  test('is withdrawn by `default`', async () => {
    const { live } = await fleet();
    await overrideMode({ selector: 'mode=live', mode: 'poll' });
    await eventually(async () => (await show(live.agentId)).wanted?.mode === 'poll');
    expect((await overrideMode({ selector: 'mode=live', mode: 'default' })).body).toMatchObject({ changed: 1 });
    await eventually(async () => (await show(live.agentId)).wanted === undefined);
  });

  test('has the time by which the last polling agent receives it, where every interval is known', async () => {
    const { poll } = await fleet();
    await overrideMode({ selector: 'mode=poll', mode: 'poll', interval: '10m' });
    await eventually(async () => (await show(poll.agentId)).wanted !== undefined);
    const { connected } = (await overrideMode({ selector: '', mode: 'live' })).body;
    const inMs = Date.parse(connected.pollBy) - Date.now();
    expect(inMs).toBeGreaterThan(590_000);
    expect(inMs).toBeLessThanOrEqual(600_000);
    await api.agent({ mode: 'poll' });
    expect((await overrideMode({ selector: '', mode: 'live' })).body.connected).not.toHaveProperty('pollBy');
  });

  test('of named agents changes nothing when one of them does not exist', async () => {
    const { live, poll } = await fleet();
    const nobody = 'a'.repeat(24);
    const answer = await overrideMode({ agentIds: [live.agentId, nobody, live.agentId], mode: 'poll' });
    expect([answer.status, answer.body.code, answer.body.agentIds]).toEqual([404, 'not_found', [nobody]]);
    expect(await kept(live.agentId)).toBeUndefined();
    const both = { agentIds: [live.agentId, poll.agentId, live.agentId], mode: 'poll' };
    expect((await overrideMode(both)).body).toMatchObject({ matched: 2, changed: 2 });
  });

  test.each([
    [{ mode: 'live' }],
    [{ selector: '', agentIds: ['a'.repeat(24)], mode: 'live' }],
    [{ selector: '', mode: 'both' }],
    [{ selector: '', mode: 'poll', interval: '999ms' }],
    [{ selector: '', mode: 'poll', interval: '25h' }],
    [{ selector: '', mode: 'poll', interval: 1500.5 }],
    [{ selector: '', mode: 'poll', for: '31d' }],
    [{ selector: '', mode: 'poll', for: 'soon' }],
    [{ selector: '', mode: 'default', for: '1h' }],
    [{ selector: '', mode: 'default', interval: '1m' }],
    [{ selector: '', mode: 'live', reason: 'two\nlines' }],
    [{ selector: '', mode: 'live', nope: 1 }],
    [{ agentIds: ['../x'], mode: 'live' }],
  ])('%j is refused', async (body) => {
    const { live } = await fleet();
    const answer = await overrideMode(body);
    expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
    expect(await kept(live.agentId)).toBeUndefined();
  });

  test('under one idempotency key is written once', async () => {
    const { live } = await fleet();
    const headers = { 'idempotency-key': 'mode-1' };
    const body = { selector: 'mode=live', mode: 'live', for: '1h' };
    const first = await overrideMode(body, { headers });
    const before = await kept(live.agentId);
    const second = await overrideMode(body, { headers });
    expect([second.body, second.headers.get('idempotency-replayed')]).toEqual([first.body, 'true']);
    expect(await kept(live.agentId)).toEqual(before);
  });

  test('needs the role responder, and stays within the operator’s own selector', async () => {
    const { live, offline } = await fleet();
    const { token: analyst } = await api.token({ role: 'analyst' });
    expect((await overrideMode({ selector: '', mode: 'poll' }, { token: analyst })).body.code).toBe('forbidden');
    const { token } = await api.token({ role: 'responder', selector: 'env=prod' });
    expect((await overrideMode({ selector: '', mode: 'poll' }, { token })).body).toMatchObject({
      matched: 2,
      changed: 2,
    });
    expect(await kept(offline.agentId)).toBeUndefined();
    const foreign = await overrideMode({ agentIds: [live.agentId, offline.agentId], mode: 'live' }, { token });
    expect([foreign.status, foreign.body.agentIds]).toEqual([404, [offline.agentId]]);
  });

  test('without the registry works by labels alone; `mode` in the selector is refused', async () => {
    await fleet();
    api.registry.store.available = false;
    const answer = await overrideMode({ selector: 'env=prod', mode: 'poll' });
    expect(answer.body).toMatchObject({ matched: 2, changed: 2, connected: { live: null, poll: null, offline: null } });
    for (const selector of ['mode=live', 'mode!=live']) {
      expect((await overrideMode({ selector, mode: 'default' })).body.code).toBe('registry_unavailable');
    }
    const labels = await api.ask('POST', '/v1/agents/labels', { body: { selector: 'mode!=live', set: { a: 'b' } } });
    expect(labels.body.code).toBe('registry_unavailable');
  });
});

test('an override replaces a newer one that the view has not seen', async () => {
  const { streams } = new MemoryBroker().connect();
  await streams.ensure(Object.values(STREAMS));
  const writer = new DirectoryWriter({ streams });
  const live: ModeOverrideRecord = { mode: 'live', reason: '', by: 'op', atMs: 1 };
  const agentId = 'a'.repeat(24) as AgentId;
  await writer.overrideMode(ORG, agentId, { ...live, mode: 'poll' });
  const results = [];
  const stale = { org: ORG, agentId, modeOverride: live } as Endpoint;
  for (let i = 0; i < 2; i += 1) {
    for await (const { kind } of new ModeOverrides({ streams, writer }).setAll([stale], live)) results.push(kind);
  }
  expect(results).toEqual(['changed', 'unchanged']);
});

test('an override that cannot be written is answered as failed', async () => {
  const broker = new MemoryBroker();
  const { streams } = broker.connect();
  broker.interrupt();
  const orders = new ModeOverrides({ streams, writer: new DirectoryWriter({ streams }) });
  const endpoint = { org: ORG, agentId: 'a'.repeat(24) } as Endpoint;
  const results = [];
  for (const mode of ['live', 'default'] as const) {
    for await (const result of orders.setAll([endpoint], { mode, reason: '', by: 'op', atMs: 1 })) results.push(result);
  }
  expect(results.map(({ kind }) => kind)).toEqual(['failed', 'failed']);
});

test('an agent shows the channel of its session and its last fallback', async () => {
  const { agentId } = await api.agent({ mode: 'poll' });
  expect(await show(agentId)).toMatchObject({ mode: 'poll' });
  const away = { atMs: Date.now(), mode: 'poll', forMs: 720_000, failures: 3, why: 'upgrade refused: 403' } as const;
  await new DirectoryWriter({ streams: api.connection.streams }).recordFallback(ORG, agentId, away);
  await eventually(async () => (await show(agentId)).away !== undefined);
  const { atMs, ...fields } = away;
  expect((await show(agentId)).away).toEqual({ ...fields, at: new Date(atMs).toISOString() });
  api.registry.release(agentId);
  expect(await show(agentId)).not.toHaveProperty('mode');
});
