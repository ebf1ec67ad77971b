import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EMPTY_LEDGER, newQueryId, type QueryId } from '@muster/protocol';
import {
  decodeQueryRecord,
  encodePosture,
  encodeQueryRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type QueryRecord,
  type ScanRecord,
} from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ORG, type ApiFixture } from '../testing/api-fixture.js';
import { WebhookHarness, WITHIN_MS } from '../testing/webhook-harness.js';
import { isSigned, type WebhookReceiver } from '../testing/webhook-receiver.js';

describe('the events of webhooks', () => {
  let harness: WebhookHarness;
  let api: ApiFixture;
  let receiver: WebhookReceiver;
  beforeEach(async () => {
    harness = await WebhookHarness.start();
    ({ api, receiver } = harness);
  });
  afterEach(() => harness.stop());

  test('tells of the events that were asked for, signed, and lists what became of them', async () => {
    const hook = await harness.create({ events: ['agent.enrolled', 'agent.revoked'] });
    expect(hook.secret).toMatch(/^whsec_.{43}$/);
    const pinged = await harness.ping(hook);
    const { agentId } = await api.agent({ facts: { host: 'one' }, labels: { site: 'x' } });
    await harness.revoke(agentId);
    await eventually(() => harness.ofType('agent.revoked').length > 0, 'the revocation comes', WITHIN_MS);
    const [enrolled] = harness.ofType('agent.enrolled');
    expect(JSON.parse(enrolled!.body)).toEqual({
      ...{ id: enrolled!.id, type: 'agent.enrolled', at: expect.any(String), org: ORG, webhook: hook.id },
      data: { agentId, host: 'one', os: 'linux', arch: 'x64', labels: { site: 'x' } },
    });
    expect(JSON.parse(harness.ofType('agent.revoked')[0]!.body)).toMatchObject({
      data: { agentId, host: 'one', by: 'somebody', reason: 'lost' },
    });
    for (const delivery of receiver.received) {
      expect(isSigned(delivery, hook.secret)).toBe(true);
      expect(isSigned({ ...delivery, body: `${delivery.body} ` }, hook.secret)).toBe(false);
      expect(isSigned(delivery, 'another')).toBe(false);
      expect(isSigned(delivery, hook.secret, Date.now() + 600_000)).toBe(false);
    }
    await eventually(
      async () => (await harness.deliveries(hook, '?state=delivered')).length === 3,
      'all are delivered',
      WITHIN_MS,
    );
    const listed = await harness.deliveries(hook);
    expect(listed.find(({ id }) => id === pinged)).toMatchObject({
      ...{ event: 'webhook.test', state: 'delivered', attempts: 1, lastStatus: 204 },
    });
  });

  test('tells when the health of an endpoint has changed', async () => {
    const hook = await harness.create({ events: ['health.changed'], selector: 'site=x' });
    await harness.ping(hook);
    const [inside, outside] = [await api.agent({ labels: { site: 'x' } }), await api.agent({ labels: { site: 'y' } })];
    const failing = { rule: 'disk_nearly_full', state: 'critical', value: 0.98, threshold: 0.97 } as const;
    const rules = [{ ...failing, sinceMs: 500 }];
    for (const { agentId, num } of [outside, inside]) {
      const record = { atMs: 1_000, org: ORG, agentId, num, state: 'critical', before: 'ok', prev: 0, rules } as const;
      await api.connection.streams.append(STREAM_SUBJECTS.health(ORG, agentId), encodeRecord(record));
    }
    await eventually(() => harness.ofType('health.changed').length > 0, 'the change comes', WITHIN_MS);
    await harness.ping(hook);
    const [changed, ...others] = harness.ofType('health.changed').map(({ body }) => JSON.parse(body));
    const told = [{ ...failing, since: '1970-01-01T00:00:00.500Z' }];
    expect(changed).toMatchObject({
      at: '1970-01-01T00:00:01.000Z',
      data: { agentId: inside.agentId, host: expect.any(String), state: 'critical', before: 'ok', rules: told },
    });
    expect(others).toEqual([]);
  });

  test('tells when checks fail in a scan that did not fail in the one before it, and of no other scan', async () => {
    const hook = await harness.create({ events: ['scan.regressed'] });
    await harness.ping(hook);
    const counts = { error: 0, not_applicable: 0, over_budget: 0, uncounted: 0 };
    const scan: ScanRecord = {
      ...{
        id: newQueryId(1_000),
        org: ORG,
        operator: 'op',
        operatorName: 'op',
        selector: '',
        scope: '',
        mode: 'group',
      },
      ...{ state: 'complete', createdAtMs: 1_000, endedAtMs: 2_000, ledger: EMPTY_LEDGER, offline: 0, score: 50 },
      pack: { id: 'own', version: '1.0.0', hash: 'a'.repeat(64), title: 'Own' },
      checks: [
        { id: 'one', title: 'One', severity: 'high', pass: 1, fail: 3, excepted: 1, ...counts },
        { id: 'two', title: 'Two', severity: 'low', pass: 1, fail: 9, ...counts },
      ],
      previous: { id: newQueryId(500), score: 100 },
      changes: { fails: ['one'], mended: [], still: ['two'], spreads: ['two'] },
    };
    const others: ScanRecord[] = [
      { ...scan, id: newQueryId(3_000), state: 'interrupted' },
      { ...scan, id: newQueryId(4_000), changes: { fails: [], mended: ['one'], still: ['two'] } },
    ];
    for (const one of [...others, scan])
      await api.connection.streams.append(STREAM_SUBJECTS.scan(ORG, one.id), encodePosture(one));
    await eventually(() => harness.ofType('scan.regressed').length > 0, 'the regression comes', WITHIN_MS);
    await harness.ping(hook);
    expect(harness.ofType('scan.regressed').map(({ body }) => JSON.parse(body).data)).toEqual([
      {
        scan: expect.objectContaining({ id: scan.id, score: 50, changes: scan.changes }),
        regressions: [
          { check: 'one', title: 'One', severity: 'high', endpoints: 2, change: 'fails' },
          { check: 'two', title: 'Two', severity: 'low', endpoints: 9, change: 'spreads' },
        ],
      },
    ]);
  });

  test('tells of the end of a command once, with its ledger', async () => {
    const hook = await harness.create({ events: ['command.ended'] });
    await harness.ping(hook);
    const { num } = await api.agent();
    const other = await api.agent();
    const operator = { id: 'op', name: 'op', role: 'admin' } as const;
    const command = await api.commands.make({ org: ORG, operator, target: 'os=linux' }, [num, other.num]);
    await api.commands.settle(command, 'succeeded', [1], {});
    await api.commands.settle(command, 'expired', [2]);
    const [ended] = await eventually(
      () => (harness.ofType('command.ended').length > 0 ? harness.ofType('command.ended') : undefined),
      'the end comes',
      WITHIN_MS,
    );
    expect(JSON.parse(ended!.body).data.command).toMatchObject({
      id: command.id,
      status: 'ended',
      ledger: { targeted: 2, succeeded: 1, expired: 1 },
    });
    await harness.ping(hook);
    expect(harness.ofType('command.ended')).toHaveLength(1);
  });

  test('tells of each endpoint that a command isolates or releases, within the selector of the webhook', async () => {
    const hook = await harness.create({ events: ['isolation.begun', 'isolation.ended'], selector: 'site=x' });
    await harness.ping(hook);
    const inside = [await api.agent({ labels: { site: 'x' } }), await api.agent({ labels: { site: 'x' } })] as const;
    const outside = await api.agent({ labels: { site: 'y' } });
    const nums = [inside[0].num, inside[1].num, outside.num];
    const operator = { id: 'op', name: 'ann', role: 'admin' } as const;
    const base = { org: ORG, operator, target: 'all', reason: 'incident' };
    const isolate = await api.commands.make({ ...base, action: 'host.isolate', params: { releaseAfter: '1m' } }, nums);
    await api.commands.settle(isolate, 'sent', [2, 3]);
    await api.commands.settle(isolate, 'succeeded', [1, 2, 3]);
    const dryRun = await api.commands.make({ ...base, action: 'host.isolate', dryRun: true }, nums);
    await api.commands.settle(dryRun, 'succeeded', [1]);
    const failing = await api.commands.make({ ...base, action: 'host.release' }, nums);
    await api.commands.settle(failing, 'sent', [2]);
    await api.commands.settle(failing, 'failed', [1]);
    await api.commands.settle(failing, 'succeeded', [2]);
    const undo = await api.commands.make({ ...base, action: 'undo', undoes: isolate.id }, [inside[0].num]);
    await api.commands.settle(undo, 'succeeded', [1]);
    await eventually(
      () => harness.ofType('isolation.begun').length === 2 && harness.ofType('isolation.ended').length === 2,
      'all come',
      WITHIN_MS,
    );
    await harness.ping(hook);
    const told = (type: string) =>
      harness.ofType(type).map(({ body }) => JSON.parse(body).data as Record<string, unknown>);
    const [first, second] = [inside[0].agentId, inside[1].agentId];
    expect(told('isolation.begun').map(({ agentId }) => agentId)).toEqual(expect.arrayContaining([first, second]));
    expect(told('isolation.begun')[0]).toMatchObject({
      ...{ command: isolate.id, by: { id: 'op', name: 'ann' }, reason: 'incident', until: expect.any(String) },
    });
    const ended = told('isolation.ended').map(({ agentId, command }) => [command, agentId]);
    expect(Object.fromEntries(ended as [string, string][])).toEqual({ [failing.id]: second, [undo.id]: first });
    expect(harness.ofType('isolation.begun')).toHaveLength(2);
  });

  test('tells of the end of a query once, and of a command that waits for approval', async () => {
    const hook = await harness.create({ events: ['query.ended', 'command.approval_wanted'] });
    await harness.ping(hook);
    const id = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body.id as QueryId;
    const entry = await api.connection.streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(ORG, id));
    await api.service.end(decodeQueryRecord<QueryRecord>(entry!.data), { rows: 7 });
    const operator = { id: 'op', name: 'op', role: 'admin' } as const;
    await api.commands.make({ org: ORG, operator, target: 'os=linux' }, [1]);
    const approval = { why: 'it isolates hosts', role: 'responder' } as const;
    const command = await api.commands.make({ org: ORG, operator, target: 'os=linux', approval }, [1]);
    const isTold = (type: string) => harness.ofType(type).length > 0;
    await eventually(() => isTold('query.ended') && isTold('command.approval_wanted'), 'both come', WITHIN_MS);
    await harness.ping(hook);
    const [ended, ...others] = harness.ofType('query.ended').map(({ body }) => JSON.parse(body).data.query);
    expect(ended).toMatchObject({ id, state: 'complete', rows: 7 });
    expect(others).toEqual([]);
    const wanted = harness.ofType('command.approval_wanted').map(({ body }) => JSON.parse(body).data.command);
    expect(wanted).toMatchObject([{ id: command.id, status: 'awaiting_approval' }]);
  });

  test('tells of a hunt that has rows, once for each time that more endpoints have them, without a row', async () => {
    const hook = await harness.create({ events: ['hunt.found'] });
    await harness.ping(hook);
    const id = (await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } })).body.id as QueryId;
    const entry = await api.connection.streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(ORG, id));
    const hunt: QueryRecord = { ...decodeQueryRecord<QueryRecord>(entry!.data), hunt: {}, rows: 1 };
    const write = (record: QueryRecord) =>
      api.connection.streams.append(STREAM_SUBJECTS.query(ORG, id), encodeQueryRecord(record));
    const atMs = Date.now();
    const one = { ...hunt, found: { endpoints: 1, atMs } };
    // The stream has the newest version of a record: it is read before the next one is written.
    const told = (endpoints: number) =>
      eventually(
        () => harness.ofType('hunt.found').find(({ id: event }) => event === `hunt-found-${id}-${endpoints}`),
        `${endpoints} are told of`,
        WITHIN_MS,
      );
    await write(hunt);
    await write(one);
    const first = await told(1);
    // Another service goes on with it.
    await write({ ...one, owner: 'another' as QueryRecord['owner'] });
    await harness.ping(hook);
    const two = { ...hunt, found: { endpoints: 2, atMs: atMs + 1 } };
    await write(two);
    await told(2);
    await write({ ...two, state: 'complete', endedAtMs: atMs + 2 });
    await harness.ping(hook);
    // So long ago that its delivery is not kept any more.
    await write({ ...hunt, found: { endpoints: 3, atMs: atMs - 3 * 86_400_000 }, state: 'complete', endedAtMs: atMs });
    await harness.ping(hook);
    expect(harness.ofType('hunt.found')).toHaveLength(2);
    expect(JSON.parse(first.body).data).toEqual({ query: expect.objectContaining({ id, rows: 1 }), endpoints: 1 });
  });

  test('a webhook for it is for who sees all endpoints, and has no selector', async () => {
    const { token } = await api.token({ role: 'admin', selector: 'site=x' });
    const create = (body: object, by?: string) =>
      api.ask('POST', '/v1/webhooks', {
        body: { url: receiver.url, events: ['hunt.found'], ...body },
        ...(by === undefined ? {} : { token: by }),
      });
    expect((await create({}, token)).body).toMatchObject({ code: 'forbidden' });
    expect((await create({ selector: 'site=x' })).body).toMatchObject({ code: 'bad_request' });
  });

  test('tells of audit records, and does not begin a circle', async () => {
    const hook = await harness.create({ events: ['audit.recorded'] });
    await harness.ping(hook);
    await api.ask('POST', '/v1/tokens', { body: { name: 'made', role: 'viewer' } });
    const isMade = ({ body }: { body: string }): boolean => JSON.parse(body).data.action === 'token.create';
    await eventually(() => harness.ofType('audit.recorded').some(isMade), 'the record comes', WITHIN_MS);
    const seen = harness.ofType('audit.recorded').map(({ body }) => JSON.parse(body).data.action as string);
    // That of its own creation may be kept after it.
    expect(seen.filter((action) => action !== 'webhook.create')).toEqual(['webhook.test', 'token.create']);
  });
});
