import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { ApiFixture, ORG } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

test('counts endpoints by connection and labels, and what runs, of the caller’s org and bound', async () => {
  await api.agent({ mode: 'live', labels: { site: 'one' } });
  await api.agent({ mode: 'poll', labels: { site: 'one' }, facts: { os: 'windows' } });
  await api.agent({ labels: { site: 'two' } });
  await api.agent({ org: 'other' as OrgId, mode: 'live' });
  await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } });
  await api.commands.make({ org: ORG }, [1]);
  await api.commands.make({ org: ORG, approval: { why: 'the policy', role: 'responder' } }, [1]);
  const { body } = await api.get('/v1/fleet?by=os,site');
  expect(body).toMatchObject({
    endpoints: {
      total: 3,
      live: 1,
      poll: 1,
      offline: 1,
      labels: { os: { linux: 2, windows: 1 }, site: { one: 2, two: 1 } },
    },
    health: null,
    queries: { running: 1 },
    commands: { running: expect.any(Number), awaitingApproval: expect.any(Number) },
  });
  expect((await api.get('/v1/fleet?selector=site%3Done')).body.endpoints).toMatchObject({ total: 2, labels: {} });
  const { token } = await api.token({ role: 'viewer', selector: 'site=two' });
  expect((await api.get('/v1/fleet', { token })).body).toMatchObject({
    endpoints: { total: 1 },
    queries: { running: 0 },
  });
  const stranger = await api.token({ role: 'viewer', org: 'other' as OrgId });
  expect((await api.get('/v1/fleet', stranger)).body).toMatchObject({
    ...{ endpoints: { total: 1, live: 1 }, queries: { running: 0 }, commands: { running: 0, awaitingApproval: 0 } },
  });
  expect((await api.get('/v1/fleet?selector=os%3D(')).body.code).toBe('bad_selector');
});
