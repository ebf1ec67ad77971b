import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EnrolmentSecretsJson } from '@muster/api-contract';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayAbout, type GatewayRequest } from '@muster/messages';
import { newCommandServiceId, newGatewayId, type GatewayId, type OrgId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { DirectoryWriter } from '@muster/directory';
import { agentIdFromPublicKey } from '@muster/identity';
import { randomBytes } from 'node:crypto';
import { parseApiPolicy, Reauthentication, type ApiPolicy } from '../auth/reauthentication.js';
import { TablePolicy } from '../queries/table-policy.js';
import { ApiFixture, ORG } from '../testing/api-fixture.js';

let api: ApiFixture;
afterEach(() => api.stop());

/** A gateway with a lease; `answer` is what it says of itself, and nothing where there is none. */
function gateway(answer: ((org: OrgId) => Omit<GatewayAbout, 't'>) | undefined, draining = false): string {
  const gatewayId = newGatewayId();
  const info = { sessions: 7, draining, startedAtMs: 1_790_000_000_000 };
  void api.registry.lease.renew({ gatewayId, ttlMs: 600_000, info });
  api.broker.connect().bus.subscribe(SUBJECTS.gateway(gatewayId), ({ data, reply }) => {
    const about = decodeBusMessage<Extract<GatewayRequest, { t: 'about' }>>(data, 'about');
    if (about === undefined || answer === undefined)
      reply?.(encodeBusMessage({ t: 'fault', message: 'unknown request' }));
    else reply?.(encodeBusMessage({ t: 'about', ...answer(about.org) }));
  });
  return gatewayId;
}

describe('services', () => {
  beforeEach(async () => {
    api = await ApiFixture.start();
  });

  test('gateways have their versions and states, also one of a version that does not say', async () => {
    const one = gateway(() => ({ version: '1.2.3', secrets: [] }));
    const old = gateway(undefined, true);
    const { body } = await api.get('/v1/services');
    const found = (id: string) => (body.items as { id: string }[]).find((item) => item.id === id);
    const base = { kind: 'gateway', sessions: 7, startedAt: '2026-09-21T14:13:20.000Z' };
    expect(found(one)).toEqual({ ...base, id: one, state: 'ok', version: '1.2.3' });
    expect(found(old)).toEqual({ ...base, id: old, state: 'draining' });
    expect(body.items.at(-1)).toMatchObject({ kind: 'api', state: 'ok', version: expect.any(String) });
  });

  test('one that was heard and is not heard any more is silent, and one that stopped in order is gone', async () => {
    const { bus } = api.broker.connect();
    const instance = newCommandServiceId();
    const beat = (stopping: boolean): void => {
      const heartbeat = { ...{ t: 'command_beat', instance, stopping, keys: '' }, nowMs: 1, version: '0.9.0' };
      bus.publish(SUBJECTS.commandHeartbeats, encodeBusMessage(heartbeat as never));
    };
    const listed = async (): Promise<unknown> =>
      ((await api.get('/v1/services')).body.items as { id: string }[]).find(({ id }) => id === instance);
    beat(false);
    await eventually(async () => (await listed()) !== undefined);
    expect(await listed()).toEqual({ kind: 'command', id: instance, state: 'ok', version: '0.9.0' });
    await eventually(async () => ((await listed()) as { state: string }).state === 'silent');
    beat(true);
    await eventually(async () => (await listed()) === undefined);
  });

  test('are in doubt while this API has heard the broker for less time than a service may take to be heard', async () => {
    const isInDoubt = async (): Promise<boolean> => (await api.get('/v1/services')).body.inDoubt as boolean;
    gateway(() => ({ version: '1.2.3', secrets: [] }));
    expect(await isInDoubt()).toBe(true);
    await eventually(async () => !(await isInDoubt()), 'heard for long enough', 20_000);
  });

  test('are for admins of the platform alone', async () => {
    for (const change of [
      { role: 'admin', org: 'other' as OrgId },
      { role: 'admin', selector: 'site=one' },
    ] as const) {
      const { token } = await api.token(change);
      expect((await api.get('/v1/services', { token })).status).toBe(403);
    }
  });
});

describe('policies', () => {
  const DOCUMENT = {
    reauthentication: [
      { actions: ['destructive'], maxAge: '15m' },
      { operations: ['token.*'], maxAge: '5m', org: 'other' },
    ],
  };

  test('are those in force for the org, and say so where no command service answers', async () => {
    const parsed = parseApiPolicy(JSON.stringify(DOCUMENT));
    const policy = (): ApiPolicy => (parsed.ok ? parsed.value : { reauthentication: [] });
    const tablePolicy = new TablePolicy([{ org: ORG, sensitivity: 'personal', role: 'nobody' }]);
    api = await ApiFixture.start({
      tablePolicy,
      reauthentication: new Reauthentication({ policy, clock: { now: () => 0 } as never }),
    });
    const { body } = await api.get('/v1/policies');
    expect(body).toMatchObject({
      reauthentication: [{ actions: ['destructive'], maxAgeMs: 900_000 }],
      sensitiveTables: expect.arrayContaining([{ sensitivity: 'personal', role: 'nobody' }]),
      queryBudgets: expect.arrayContaining([
        { role: 'viewer', maxMs: 10_000 },
        { role: 'admin', maxMs: 600_000 },
      ]),
      commands: { limits: [], approval: [{ actions: ['host.*'], role: 'responder' }] },
    });
    api.commands.stop();
    expect((await api.get('/v1/policies')).body.commands).toBeNull();
  });
});

describe('enrolment secrets', () => {
  beforeEach(async () => {
    api = await ApiFixture.start();
  });

  async function enrolled(org: OrgId, secret: string | undefined): Promise<void> {
    const publicKey = randomBytes(32);
    const facts = { host: 'h', os: 'linux', arch: 'x64', osName: 'Debian', osVersion: '12', agentVersion: '0.1.0' };
    await new DirectoryWriter({ streams: api.connection.streams }).enroll({
      ...{ agentId: agentIdFromPublicKey(publicKey), org, publicKey: publicKey.toString('base64url') },
      ...{ enrolledAtMs: Date.now(), from: '127.0.0.1', facts, labels: {} },
      ...(secret === undefined ? {} : { secret }),
    } as never);
  }

  test('have their bounds from gateways and their counts from the directory; nobody gets a text, or those of another org', async () => {
    const secretsOf = (org: OrgId): GatewayAbout['secrets'] =>
      org === ORG
        ? [
            { name: 'branch', maxIdentities: 2, perMinute: 60, labels: { site: 'zrh' } },
            { name: 'old', expiresAtMs: 1 },
          ]
        : [{ name: 'of-another' }];
    gateway((org) => ({ version: '1.0.0', secrets: secretsOf(org) }));
    gateway((org) => ({ version: '1.0.0', secrets: secretsOf(org).slice(0, 1) }));
    gateway(undefined);
    for (const secret of ['branch', 'branch', 'lost', undefined]) await enrolled(ORG, secret);
    await enrolled('other' as OrgId, 'branch');
    await eventually(async () => (await api.get('/v1/enrolment-secrets')).body.unnamed === 1);
    expect((await api.get('/v1/enrolment-secrets')).body).toEqual({
      items: [
        {
          ...{ name: 'branch', state: 'full', identities: 2, gateways: 'all' },
          ...{ maxIdentities: 2, perMinute: 60, labels: { site: 'zrh' } },
        },
        { name: 'lost', state: 'unknown', identities: 1, gateways: 'none' },
        { name: 'old', state: 'expired', identities: 0, gateways: 'some', expiresAt: '1970-01-01T00:00:00.001Z' },
      ],
      ...{ complete: false, unnamed: 1 },
    });
  });

  test('are gone only where all gateways say so: not while the registry may have forgotten some, or none is there', async () => {
    await enrolled(ORG, 'lost');
    const shown = async (): Promise<unknown[]> => {
      const { items, complete } = (await api.get('/v1/enrolment-secrets')).body as EnrolmentSecretsJson;
      return [complete, ...items.map(({ name, state }) => `${name} ${state}`)];
    };
    await eventually(async () => (await shown()).length === 2);
    expect(await shown()).toEqual([false, 'lost unknown']);
    const secrets: GatewayAbout['secrets'] = [{ name: 'branch' }];
    const ids = [gateway(() => ({ version: '1.0.0', secrets })), gateway(() => ({ version: '1.0.0', secrets: [] }))];
    expect(await shown()).toEqual([true, 'branch active', 'lost gone']);
    api.registry.store.empty();
    // The one that has the secret has not renewed its lease yet.
    const info = { sessions: 7, draining: false, startedAtMs: 1_790_000_000_000 };
    await api.registry.lease.renew({ gatewayId: ids[1] as GatewayId, ttlMs: 600_000, info });
    await eventually(async () => (await shown())[0] === false);
    expect(await shown()).toEqual([false, 'lost unknown']);
  });

  test('are not for who is bounded by a selector, whose endpoints the counts are not', async () => {
    const { token } = await api.token({ role: 'admin', selector: 'site=one' });
    expect((await api.get('/v1/enrolment-secrets', { token })).body.code).toBe('forbidden');
  });
});
