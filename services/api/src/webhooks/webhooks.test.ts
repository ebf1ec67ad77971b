import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DirectoryWriter } from '@muster/directory';
import type { AgentId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS } from '@muster/records';
import { trustedProxies } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { MAX_PENDING } from './fan-out.js';
import { isSigned, WebhookReceiver } from '../testing/webhook-receiver.js';

const WITHIN_MS = 40_000;

describe('webhooks', () => {
  let receiver: WebhookReceiver;
  let api: ApiFixture;

  beforeEach(async () => {
    receiver = new WebhookReceiver();
    await receiver.start();
    api = await ApiFixture.start({
      webhookNetworks: trustedProxies(['127.0.0.1']),
      ...{ webhookLeaseMs: 1_000, webhookMaxPending: 12 },
    });
  });
  afterEach(async () => {
    await api.stop();
    await receiver.stop();
  });

  interface Hook {
    readonly id: string;
    readonly secret: string;
  }
  const create = async (body: object, token?: string): Promise<Hook> => {
    const options = { body: { url: receiver.url, ...body }, ...(token === undefined ? {} : { token }) };
    const made = await api.ask('POST', '/v1/webhooks', options);
    expect(made.status).toBe(201);
    return made.body as Hook;
  };
  /** Sends a test event; when it has come, the process that delivers knows the webhook. */
  const ping = async ({ id }: Hook, token?: string): Promise<string> => {
    const sent = await api.ask('POST', `/v1/webhooks/${id}/test`, token === undefined ? {} : { token });
    expect(sent.status).toBe(202);
    const eventId = sent.body.id as string;
    await eventually(() => receiver.of(eventId).length > 0, 'the test event comes', WITHIN_MS);
    return eventId;
  };
  const deliveries = async ({ id }: Hook, query = '') =>
    (await api.get(`/v1/webhooks/${id}/deliveries${query}`)).body.items as Record<string, unknown>[];
  const ofType = (type: string) => receiver.received.filter((one) => one.type === type);
  const revoke = (agentId: AgentId) =>
    new DirectoryWriter({ streams: api.connection.streams }).revoke(ORG, agentId, {
      ...{ by: 'somebody', reason: 'lost', atMs: Date.now() },
    });

  test('tells of the events that were asked for, signed, and lists what became of them', async () => {
    const hook = await create({ events: ['agent.enrolled', 'agent.revoked'] });
    expect(hook.secret).toMatch(/^whsec_.{43}$/);
    const pinged = await ping(hook);
    const { agentId } = await api.agent({ facts: { host: 'one' }, labels: { site: 'x' } });
    await revoke(agentId);
    await eventually(() => ofType('agent.revoked').length > 0, 'the revocation comes', WITHIN_MS);
    const [enrolled] = ofType('agent.enrolled');
    expect(JSON.parse(enrolled!.body)).toEqual({
      ...{ id: enrolled!.id, type: 'agent.enrolled', at: expect.any(String), org: ORG, webhook: hook.id },
      data: { agentId, host: 'one', os: 'linux', arch: 'x64', labels: { site: 'x' } },
    });
    expect(JSON.parse(ofType('agent.revoked')[0]!.body)).toMatchObject({
      data: { agentId, host: 'one', by: 'somebody', reason: 'lost' },
    });
    for (const delivery of receiver.received) {
      expect(isSigned(delivery, hook.secret)).toBe(true);
      expect(isSigned({ ...delivery, body: `${delivery.body} ` }, hook.secret)).toBe(false);
      expect(isSigned(delivery, 'another')).toBe(false);
      expect(isSigned(delivery, hook.secret, Date.now() + 600_000)).toBe(false);
    }
    await eventually(
      async () => (await deliveries(hook, '?state=delivered')).length === 3,
      'all are delivered',
      WITHIN_MS,
    );
    const listed = await deliveries(hook);
    expect(listed.find(({ id }) => id === pinged)).toMatchObject({
      ...{ event: 'webhook.test', state: 'delivered', attempts: 1, lastStatus: 204 },
    });
  });

  test('tells when the health of an endpoint has changed', async () => {
    const hook = await create({ events: ['health.changed'], selector: 'site=x' });
    await ping(hook);
    const [inside, outside] = [await api.agent({ labels: { site: 'x' } }), await api.agent({ labels: { site: 'y' } })];
    const failing = { rule: 'disk_nearly_full', state: 'critical', value: 0.98, threshold: 0.97 } as const;
    const rules = [{ ...failing, sinceMs: 500 }];
    for (const { agentId, num } of [outside, inside]) {
      const record = { atMs: 1_000, org: ORG, agentId, num, state: 'critical', before: 'ok', prev: 0, rules } as const;
      await api.connection.streams.append(STREAM_SUBJECTS.health(ORG, agentId), encodeRecord(record));
    }
    await eventually(() => ofType('health.changed').length > 0, 'the change comes', WITHIN_MS);
    await ping(hook);
    const [changed, ...others] = ofType('health.changed').map(({ body }) => JSON.parse(body));
    const told = [{ ...failing, since: '1970-01-01T00:00:00.500Z' }];
    expect(changed).toMatchObject({
      at: '1970-01-01T00:00:01.000Z',
      data: { agentId: inside.agentId, host: expect.any(String), state: 'critical', before: 'ok', rules: told },
    });
    expect(others).toEqual([]);
  });

  test('tells of the end of a command once, with its ledger', async () => {
    const hook = await create({ events: ['command.ended'] });
    await ping(hook);
    const { num } = await api.agent();
    const other = await api.agent();
    const operator = { id: 'op', name: 'op', role: 'admin' } as const;
    const command = await api.commands.make({ org: ORG, operator, target: 'os=linux' }, [num, other.num]);
    await api.commands.settle(command, 'succeeded', [1], {});
    await api.commands.settle(command, 'expired', [2]);
    const [ended] = await eventually(
      () => (ofType('command.ended').length > 0 ? ofType('command.ended') : undefined),
      'the end comes',
      WITHIN_MS,
    );
    expect(JSON.parse(ended!.body).data.command).toMatchObject({
      id: command.id,
      status: 'ended',
      ledger: { targeted: 2, succeeded: 1, expired: 1 },
    });
    await ping(hook);
    expect(ofType('command.ended')).toHaveLength(1);
  });

  test('tells of audit records, and does not begin a circle', async () => {
    const hook = await create({ events: ['audit.recorded'] });
    await ping(hook);
    await api.ask('POST', '/v1/tokens', { body: { name: 'made', role: 'viewer' } });
    const isMade = ({ body }: { body: string }): boolean => JSON.parse(body).data.action === 'token.create';
    await eventually(() => ofType('audit.recorded').some(isMade), 'the record comes', WITHIN_MS);
    const seen = ofType('audit.recorded').map(({ body }) => JSON.parse(body).data.action as string);
    // That of its own creation may be kept after it.
    expect(seen.filter((action) => action !== 'webhook.create')).toEqual(['webhook.test', 'token.create']);
  });

  test('sends again what was not taken, with the same id, and others meanwhile', async () => {
    let refused: string | undefined;
    receiver.answer = (response, { id }) => {
      refused ??= id;
      response.writeHead(id === refused && receiver.of(id).length < 2 ? 500 : 200).end();
    };
    const hook = await create({ events: ['agent.revoked'] });
    const first = await ping(hook);
    await eventually(async () => (await deliveries(hook))[0]!['attempts'] === 1, 'the attempt is kept', WITHIN_MS);
    expect(await deliveries(hook, '?state=pending')).toMatchObject([
      { id: first, lastStatus: 500, lastError: 'the receiver answered 500', nextAttemptAt: expect.any(String) },
    ]);
    const second = await ping(hook);
    await eventually(
      async () => (await deliveries(hook, '?state=delivered')).length === 2,
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
    const hook = await create({ events: ['agent.revoked'] });
    const id = await ping(hook);
    await eventually(async () => (await deliveries(hook))[0]!['state'] === 'dead', 'it is given up', WITHIN_MS);
    expect(await deliveries(hook)).toMatchObject([{ id, attempts: 2, lastStatus: 410 }]);
    expect(receiver.received).toHaveLength(2);
  });

  test('one that hangs holds no other webhook up', async () => {
    const hanging = await create({ events: ['agent.enrolled'] });
    const other = await create({ events: ['agent.enrolled'] });
    receiver.answer = (response, { body }) => {
      if (JSON.parse(body).webhook !== hanging.id) response.writeHead(200).end();
    };
    await ping(hanging);
    await ping(hanging);
    await ping(other);
    for (let count = 0; count < 5; count += 1) await api.agent();
    await eventually(
      async () => (await deliveries(other, '?state=delivered')).length === 6,
      'others are told',
      WITHIN_MS,
    );
    expect(await deliveries(hanging, '?state=delivered')).toEqual([]);
  });

  test('deliveries beyond the bound of pending ones are dropped, listed and counted, in a burst too; those that wait are delivered', async () => {
    expect(MAX_PENDING).toBe(10_000);
    const hook = await create({ events: ['health.changed'] });
    const pinged = await ping(hook);
    await eventually(async () => (await deliveries(hook, '?state=delivered')).length === 1, 'it is kept', WITHIN_MS);
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
    await eventually(async () => (await deliveries(hook)).length === 11, 'ten wait', WITHIN_MS);
    for (let count = 0; count < 10; count += 1) prev = await changed(prev);
    await eventually(async () => (await deliveries(hook)).length === 21, 'all are kept', WITHIN_MS);
    expect(await deliveries(hook, '?state=pending')).toHaveLength(12);
    const dropped = await deliveries(hook, '?state=dropped');
    expect(dropped).toHaveLength(8);
    expect(dropped[0]).toMatchObject({ attempts: 0, lastError: 'too many deliveries were pending' });
    expect(await api.metrics.registry.metrics()).toMatch(/^muster_api_webhook_deliveries_total\{state="dropped"\} 8$/m);
    answers = true;
    for (const answer of waiting) answer();
    await eventually(
      async () => (await deliveries(hook, '?state=delivered')).length === 13,
      'the rest comes',
      WITHIN_MS,
    );
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(13);
    expect(receiver.of(pinged)).toHaveLength(1);
  });

  test('ends with its deletion, pending deliveries too', async () => {
    receiver.answer = (response) => response.writeHead(500).end();
    const hook = await create({ events: ['agent.enrolled'] });
    const id = await ping(hook);
    expect((await api.ask('DELETE', `/v1/webhooks/${hook.id}`)).status).toBe(204);
    expect((await api.ask('DELETE', `/v1/webhooks/${hook.id}`)).status).toBe(404);
    expect((await api.get('/v1/webhooks')).body.items).toEqual([]);
    const other = await create({ events: ['agent.enrolled'] });
    await api.agent();
    receiver.answer = (response) => response.writeHead(200).end();
    await eventually(
      async () => (await deliveries(other, '?state=delivered')).length === 1,
      'the other is told',
      WITHIN_MS,
    );
    await ping(other);
    expect(receiver.of(id).length).toBeLessThanOrEqual(2);
    expect(receiver.received.filter(({ body }) => JSON.parse(body).webhook === hook.id)).toHaveLength(1);
  });

  test('a selector bounds which endpoints are told of; a bounded token cannot reach further', async () => {
    const { token } = await api.token({ role: 'admin', selector: 'site=x' });
    const bounded = await create({ events: ['agent.enrolled'] }, token);
    const wide = await create({ events: ['agent.enrolled'] });
    await ping(bounded, token);
    await ping(wide);
    await api.agent({ labels: { site: 'y' }, facts: { host: 'outside' } });
    await api.agent({ labels: { site: 'x' }, facts: { host: 'inside' } });
    await eventually(() => ofType('agent.enrolled').length === 3, 'three are told', WITHIN_MS);
    const hosts = ofType('agent.enrolled').map(({ body }) => [JSON.parse(body).webhook, JSON.parse(body).data.host]);
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
    const hook = await create({ events: ['agent.enrolled'] });
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
    for (let count = 0; count < 20; count += 1) await create({ events: ['agent.revoked'] });
    const body = { url: receiver.url, events: ['agent.revoked'] };
    expect((await api.ask('POST', '/v1/webhooks', { body })).status).toBe(409);
    expect((await api.get('/v1/webhooks')).text).not.toContain('whsec_');
    const page = await api.get('/v1/webhooks?limit=15');
    const rest = await api.get(`/v1/webhooks?limit=15&cursor=${page.body.nextCursor}`);
    expect(page.body.items.length + rest.body.items.length).toBe(20);
  });
});
