import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Labels } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const hosts = (body: { items: { host: string }[] }): string[] => body.items.map(({ host }) => host);

async function fleet(): Promise<{ agentId: string; num: number }[]> {
  const add = (host: string, os: 'linux' | 'windows', labels: Labels, mode?: 'live' | 'poll') =>
    api.agent({ facts: { host, os }, labels, ...(mode === undefined ? {} : { mode }) });
  return [
    await add('a', 'linux', { env: 'prod' }, 'live'),
    await add('b', 'linux', { env: 'dev' }, 'poll'),
    await add('c', 'windows', { env: 'prod' }),
    await add('d', 'windows', {}, 'live'),
  ];
}

describe('the list of agents', () => {
  test('selects by labels and built-in labels, connection included', async () => {
    await fleet();
    for (const [selector, expected] of [
      ['', 'abcd'],
      ['os=linux', 'ab'],
      ['env in (prod)', 'ac'],
      ['!env', 'd'],
      ['mode=live', 'ad'],
      ['mode=poll', 'b'],
      ['!mode', 'c'],
      ['host=c,os=windows', 'c'],
    ] as const) {
      const { body } = await api.get(`/v1/agents?selector=${encodeURIComponent(selector)}`);
      expect([selector, hosts(body).join('')]).toEqual([selector, expected]);
    }
    const bad = await api.get('/v1/agents?selector=os%3D%3D%3D');
    expect([bad.status, bad.body.code]).toEqual([400, 'bad_selector']);
    expect(typeof bad.body.offset).toBe('number');
  });

  test('is paged without gaps or repeats', async () => {
    await fleet();
    const first = (await api.get('/v1/agents?limit=3')).body;
    const second = (await api.get(`/v1/agents?limit=3&cursor=${first.nextCursor}`)).body;
    expect([...hosts(first), ...hosts(second)]).toEqual(['a', 'b', 'c', 'd']);
    expect(second.nextCursor).toBeUndefined();
  });

  test('counts by labels and by connection', async () => {
    await fleet();
    const { body } = await api.get('/v1/agents?counts=os,env,nope&limit=1');
    expect(body.counts).toEqual({
      total: 4,
      live: 2,
      poll: 1,
      offline: 1,
      labels: { os: { linux: 2, windows: 2 }, env: { prod: 2, dev: 1 }, nope: {} },
    });
    expect((await api.get('/v1/agents?counts=')).body.counts).toMatchObject({ total: 4, labels: {} });
  });

  test('scans the registry at most once a second', async () => {
    await fleet();
    const scan = jest.spyOn(api.registry, 'scan');
    const fromMs = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => api.get('/v1/agents?counts=os')));
    const seconds = Math.floor((performance.now() - fromMs) / 1_000);
    expect(scan.mock.calls.length).toBeLessThanOrEqual(2 + seconds);
  });

  test('says unknown, without an error, while the registry is unreachable', async () => {
    const [first] = await fleet();
    api.registry.store.available = false;
    const { status, body } = await api.get('/v1/agents?counts=os');
    expect(status).toBe(200);
    expect(body.counts).toMatchObject({ total: 4, live: null, poll: null, offline: null });
    expect(body.items[0].presence).toEqual({ state: 'unknown' });
    expect((await api.get(`/v1/agents/${first?.agentId}`)).body.presence).toEqual({ state: 'unknown' });
  });

  test('says unknown when the registry has just lost its data: gateways register their sessions again', async () => {
    const [first] = await fleet();
    expect((await api.get(`/v1/agents/${first?.agentId}`)).body.presence.state).toBe('live');
    api.registry.store.empty();
    const isUnknown = async () => (await api.get(`/v1/agents/${first?.agentId}`)).body.presence.state === 'unknown';
    expect(await eventually(isUnknown, 'presence is unknown', 5_000)).toBe(true);
  });

  test('says unknown while the broker is away and leases have lapsed: the sessions go on', async () => {
    const [first] = await fleet();
    const nowMs = Date.now();
    const lapse = (agoMs: number): void => {
      for (const lease of api.registry.store.leases.values())
        Object.assign(lease, { endsAtMs: nowMs - agoMs, renewedAtMs: nowMs - agoMs - 20_000 });
    };
    // So long ago that its agents have moved: the gateway has died.
    lapse(150_000);
    expect((await api.get(`/v1/agents/${first?.agentId}`)).body.presence.state).toBe('offline');
    lapse(1);
    api.connection.bus.setConnected(false);
    const { body } = await api.get('/v1/agents?counts=os');
    expect(body.counts).toMatchObject({ total: 4, live: null, poll: null, offline: null });
    expect(body.items[0].presence).toEqual({ state: 'unknown' });
    // `mode!=live` would be everybody.
    for (const selector of ['mode%3Dlive', 'mode!%3Dlive']) {
      const listed = await api.get(`/v1/agents?selector=${selector}`);
      expect([listed.status, listed.body.code]).toEqual([503, 'registry_unavailable']);
    }
    api.connection.bus.setConnected(true);
    // Gateways have not had time to renew.
    expect((await api.get(`/v1/agents/${first?.agentId}`)).body.presence).toEqual({ state: 'unknown' });
  });
});

describe('one agent', () => {
  test('has its facts, labels and presence', async () => {
    const { agentId, num } = await api.agent({ facts: { host: 'web-1' }, labels: { env: 'prod' }, mode: 'live' });
    expect((await api.get(`/v1/agents/${agentId}`)).body).toMatchObject({
      agentId,
      num,
      host: 'web-1',
      os: 'linux',
      labels: { env: 'prod' },
      agentLabels: { env: 'prod' },
      operatorLabels: {},
      presence: { state: 'live', gatewayId: 'gw-x' },
    });
    expect((await api.get(`/v1/agents/${'a'.repeat(24)}`)).body.code).toBe('not_found');
    expect((await api.get('/v1/agents/A%2F..')).body.code).toBe('bad_request');
  });

  test('is revoked once, with a reason, and then left out of lists', async () => {
    const { agentId } = await api.agent();
    const path = `/v1/agents/${agentId}/revoke`;
    expect((await api.ask('POST', path, { body: {} })).body.code).toBe('bad_request');
    const revoked = await api.ask('POST', path, { body: { reason: 'stolen' } });
    expect(revoked.body.revoked).toMatchObject({ by: 'bootstrap', reason: 'stolen' });
    await eventually(async () => (await api.get('/v1/agents')).body.items.length === 0);
    expect((await api.get('/v1/agents?revoked=only')).body.items).toHaveLength(1);
    const again = await api.ask('POST', path, { body: { reason: 'other' } });
    expect(again.body.revoked).toEqual(revoked.body.revoked);
    expect((await api.audit()).filter(({ action }) => action === 'agent.revoke')).toMatchObject([
      { outcome: 'refused', code: 'bad_request' },
      { outcome: 'allowed', subject: agentId, details: { reason: 'stolen' } },
      { outcome: 'allowed', subject: agentId },
    ]);
  });
});

describe('labels', () => {
  test('of operators win over those of the agent until they are removed', async () => {
    const { agentId } = await api.agent({ labels: { env: 'prod' } });
    const patch = (body: object) => api.ask('PATCH', `/v1/agents/${agentId}/labels`, { body });
    expect((await patch({ set: { env: 'dev', team: 'soc' } })).body).toMatchObject({
      labels: { env: 'dev', team: 'soc' },
      agentLabels: { env: 'prod' },
      operatorLabels: { env: 'dev', team: 'soc' },
    });
    // At once: the view may not have the first change yet.
    expect((await patch({ remove: ['env'] })).body).toMatchObject({
      labels: { env: 'prod', team: 'soc' },
      operatorLabels: { team: 'soc' },
    });
    await eventually(async () => (await api.get('/v1/agents?selector=team%3Dsoc')).body.items.length === 1);
  });

  test('set by several operators at the same moment are all kept', async () => {
    const { agentId } = await api.agent();
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        api.ask('PATCH', `/v1/agents/${agentId}/labels`, { body: { set: { [`k${i}`]: 'v' } } }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await eventually(
      async () => Object.keys((await api.get(`/v1/agents/${agentId}`)).body.operatorLabels).length === 4,
    );
  });

  test.each([
    [{ set: { 'bad key': 'x' } }],
    [{ set: { os: 'x' } }],
    [{ set: { a: 'bad value!' } }],
    [{ set: { a: 1 } }],
    [{ set: { __proto__x: 'y', '': 'z' } }],
    [{ set: JSON.parse('{"__proto__":"x"}') }],
    [{ remove: ['bad key'] }],
    [{ remove: ['__proto__'] }],
    [{ set: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }],
    [{ nope: 1 }],
  ])('%j are refused', async (body) => {
    const { agentId } = await api.agent();
    const answer = await api.ask('PATCH', `/v1/agents/${agentId}/labels`, { body });
    expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
    const many = await api.ask('POST', '/v1/agents/labels', { body: { selector: '', ...body } });
    expect([many.status, many.body.code]).toEqual([400, 'bad_request']);
  });

  test('are set on a whole selection, and written only where something changes', async () => {
    await fleet();
    const body = { selector: 'env=prod', set: { tier: '1' } };
    expect((await api.ask('POST', '/v1/agents/labels', { body })).body).toEqual({
      matched: 2,
      changed: 2,
      unchanged: 0,
      failed: 0,
    });
    expect((await api.ask('POST', '/v1/agents/labels', { body })).body).toEqual({
      matched: 2,
      changed: 0,
      unchanged: 2,
      failed: 0,
    });
    expect((await api.ask('POST', '/v1/agents/labels', { body: { set: { a: 'b' } } })).body.code).toBe('bad_request');
    expect((await api.audit()).find(({ action }) => action === 'agent.label_many')?.details).toMatchObject({
      selector: 'env=prod',
      changed: 2,
    });
  });
});
