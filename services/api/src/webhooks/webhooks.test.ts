import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeRecord, STREAM_SUBJECTS } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ORG, type ApiFixture } from '../testing/api-fixture.js';
import { WebhookHarness, WITHIN_MS } from '../testing/webhook-harness.js';
import type { WebhookReceiver } from '../testing/webhook-receiver.js';
import { MAX_PENDING } from './fan-out.js';

describe('webhooks', () => {
  let harness: WebhookHarness;
  let api: ApiFixture;
  let receiver: WebhookReceiver;
  beforeEach(async () => {
    harness = await WebhookHarness.start();
    ({ api, receiver } = harness);
  });
  afterEach(() => harness.stop());

  test('sends again what was not taken, with the same id, and others meanwhile', async () => {
    let refused: string | undefined;
    receiver.answer = (response, { id }) => {
      refused ??= id;
      response.writeHead(id === refused && receiver.of(id).length < 2 ? 500 : 200).end();
    };
    const hook = await harness.create({ events: ['agent.revoked'] });
    const first = await harness.ping(hook);
    await eventually(
      async () => (await harness.deliveries(hook))[0]!['attempts'] === 1,
      'the attempt is kept',
      WITHIN_MS,
    );
    expect(await harness.deliveries(hook, '?state=pending')).toMatchObject([
      { id: first, lastStatus: 500, lastError: 'the receiver answered 500', nextAttemptAt: expect.any(String) },
    ]);
    const second = await harness.ping(hook);
    await eventually(
      async () => (await harness.deliveries(hook, '?state=delivered')).length === 2,
      'both are taken',
      WITHIN_MS,
    );
    expect(receiver.of(first)).toHaveLength(2);
    expect(receiver.of(second)).toHaveLength(1);
    expect(receiver.of(first)[0]!.body).toBe(receiver.of(first)[1]!.body);
  });

  test('does not follow redirects, and gives up where the receiver says that it is gone', async () => {
    receiver.answer = (response, { id }) => {
      const again = receiver.of(id).length > 1;
      if (again) response.writeHead(410).end();
      else response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end();
    };
    const hook = await harness.create({ events: ['agent.revoked'] });
    const id = await harness.ping(hook);
    await eventually(async () => (await harness.deliveries(hook))[0]!['state'] === 'dead', 'it is given up', WITHIN_MS);
    expect(await harness.deliveries(hook)).toMatchObject([{ id, attempts: 2, lastStatus: 410 }]);
    expect(receiver.received).toHaveLength(2);
  });

  test('one that hangs holds no other webhook up', async () => {
    const hanging = await harness.create({ events: ['agent.enrolled'] });
    const other = await harness.create({ events: ['agent.enrolled'] });
    receiver.answer = (response, { body }) => {
      if (JSON.parse(body).webhook !== hanging.id) response.writeHead(200).end();
    };
    await harness.ping(hanging);
    await harness.ping(hanging);
    await harness.ping(other);
    for (let count = 0; count < 5; count += 1) await api.agent();
    await eventually(
      async () => (await harness.deliveries(other, '?state=delivered')).length === 6,
      'others are told',
      WITHIN_MS,
    );
    expect(await harness.deliveries(hanging, '?state=delivered')).toEqual([]);
  });

  test('deliveries beyond the bound of pending ones are dropped, listed and counted, in a burst too; those that wait are delivered', async () => {
    expect(MAX_PENDING).toBe(10_000);
    const hook = await harness.create({ events: ['health.changed'] });
    const pinged = await harness.ping(hook);
    await eventually(
      async () => (await harness.deliveries(hook, '?state=delivered')).length === 1,
      'it is kept',
      WITHIN_MS,
    );
    let answers = false;
    const waiting: (() => void)[] = [];
    receiver.answer = (response) => {
      if (answers) response.writeHead(204).end();
      else waiting.push(() => response.writeHead(204).end());
    };
    const { agentId, num } = await api.agent();
    const changed = async (prev: number): Promise<number> => {
      const record = { atMs: 1, org: ORG, agentId, num, state: 'critical', before: 'ok', prev, rules: [] } as const;
      const result = await api.connection.streams.append(STREAM_SUBJECTS.health(ORG, agentId), encodeRecord(record));
      return result.kind === 'appended' ? result.seq : 0;
    };
    // As many as the stream keeps of one endpoint, and then as many again, while the receiver is silent.
    let prev = 0;
    for (let count = 0; count < 10; count += 1) prev = await changed(prev);
    await eventually(async () => (await harness.deliveries(hook)).length === 11, 'ten wait', WITHIN_MS);
    for (let count = 0; count < 10; count += 1) prev = await changed(prev);
    await eventually(async () => (await harness.deliveries(hook)).length === 21, 'all are kept', WITHIN_MS);
    expect(await harness.deliveries(hook, '?state=pending')).toHaveLength(12);
    const dropped = await harness.deliveries(hook, '?state=dropped');
    expect(dropped).toHaveLength(8);
    expect(dropped[0]).toMatchObject({ attempts: 0, lastError: 'too many deliveries were pending' });
    expect(await api.metrics.registry.metrics()).toMatch(/^muster_api_webhook_deliveries_total\{state="dropped"\} 8$/m);
    answers = true;
    for (const answer of waiting) answer();
    await eventually(
      async () => (await harness.deliveries(hook, '?state=delivered')).length === 13,
      'the rest comes',
      WITHIN_MS,
    );
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(13);
    expect(receiver.of(pinged)).toHaveLength(1);
  });

  test('ends with its deletion, pending deliveries too', async () => {
    receiver.answer = (response) => response.writeHead(500).end();
    const hook = await harness.create({ events: ['agent.enrolled'] });
    const id = await harness.ping(hook);
    expect((await api.ask('DELETE', `/v1/webhooks/${hook.id}`)).status).toBe(204);
    expect((await api.ask('DELETE', `/v1/webhooks/${hook.id}`)).status).toBe(404);
    expect((await api.get('/v1/webhooks')).body.items).toEqual([]);
    const other = await harness.create({ events: ['agent.enrolled'] });
    await api.agent();
    receiver.answer = (response) => response.writeHead(200).end();
    await eventually(
      async () => (await harness.deliveries(other, '?state=delivered')).length === 1,
      'the other is told',
      WITHIN_MS,
    );
    await harness.ping(other);
    expect(receiver.of(id).length).toBeLessThanOrEqual(2);
    expect(receiver.received.filter(({ body }) => JSON.parse(body).webhook === hook.id)).toHaveLength(1);
  });

  test('a selector bounds which endpoints are told of; a bounded token cannot reach further', async () => {
    const { token } = await api.token({ role: 'admin', selector: 'site=x' });
    const bounded = await harness.create({ events: ['agent.enrolled'] }, token);
    const wide = await harness.create({ events: ['agent.enrolled'] });
    await harness.ping(bounded, token);
    await harness.ping(wide);
    await api.agent({ labels: { site: 'y' }, facts: { host: 'outside' } });
    await api.agent({ labels: { site: 'x' }, facts: { host: 'inside' } });
    await eventually(() => harness.ofType('agent.enrolled').length === 3, 'three are told', WITHIN_MS);
    const hosts = harness
      .ofType('agent.enrolled')
      .map(({ body }) => [JSON.parse(body).webhook, JSON.parse(body).data.host]);
    expect(hosts.filter(([id]) => id === bounded.id)).toEqual([[bounded.id, 'inside']]);
    for (const event of ['command.ended', 'audit.recorded']) {
      const body = { url: receiver.url, events: [event] };
      expect((await api.ask('POST', '/v1/webhooks', { token, body })).status).toBe(403);
    }
    const unfit = { url: receiver.url, events: ['audit.recorded'], selector: 'site=x' };
    expect((await api.ask('POST', '/v1/webhooks', { body: unfit })).status).toBe(400);
    expect((await api.get('/v1/webhooks', { token })).body.items).toHaveLength(1);
    expect((await api.get(`/v1/webhooks/${wide.id}/deliveries`, { token })).status).toBe(404);
    expect((await api.ask('DELETE', `/v1/webhooks/${wide.id}`, { token })).status).toBe(404);
  });

  test('only admins manage webhooks', async () => {
    const hook = await harness.create({ events: ['agent.enrolled'] });
    for (const role of ['viewer', 'analyst', 'responder'] as const) {
      const { token } = await api.token({ role });
      const body = { url: receiver.url, events: ['agent.enrolled'] };
      const calls = [
        ['GET', '/v1/webhooks'],
        ['POST', '/v1/webhooks', body],
        ['GET', `/v1/webhooks/${hook.id}/deliveries`],
        ['POST', `/v1/webhooks/${hook.id}/test`],
        ['DELETE', `/v1/webhooks/${hook.id}`],
      ] as const;
      for (const [method, path, given] of calls)
        expect((await api.ask(method, path, { token, ...(given ? { body: given } : {}) })).status).toBe(403);
    }
  });

  test('there is a bound of webhooks, and no secret is told twice', async () => {
    for (let count = 0; count < 20; count += 1) await harness.create({ events: ['agent.revoked'] });
    const body = { url: receiver.url, events: ['agent.revoked'] };
    expect((await api.ask('POST', '/v1/webhooks', { body })).status).toBe(409);
    expect((await api.get('/v1/webhooks')).text).not.toContain('whsec_');
    const page = await api.get('/v1/webhooks?limit=15');
    const rest = await api.get(`/v1/webhooks?limit=15&cursor=${page.body.nextCursor}`);
    expect(page.body.items.length + rest.body.items.length).toBe(20);
  });
});
