import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();

test('services are listed with versions and states, and a doubt is said', async () => {
  api.json('GET /v1/services', {
    items: [
      {
        kind: 'gateway',
        id: 'g1',
        state: 'draining',
        version: '1.2.3',
        startedAt: '2026-01-01T00:00:00.000Z',
        sessions: 1_200,
      },
      { kind: 'query', id: 'o1', state: 'silent' },
    ],
    inDoubt: true,
  });
  const { code, out, err } = await muster(['services', '--utc']);
  expect(code).toBe(0);
  expect(out).toMatch(/gateway +g1 +draining +1\.2\.3 +2026-01-01 00:00 UTC +1,200/);
  expect(out).toMatch(/query +o1 +silent +not known/);
  expect(err).toContain('there may be further ones');
});

test('policies are printed as the API has them, and where those of commands are not known that is said', async () => {
  const policies = { reauthentication: [], sensitiveTables: [], queryBudgets: [], commands: null };
  api.json('GET /v1/policies', policies);
  const { out, err } = await muster(['policies']);
  expect(JSON.parse(out)).toEqual(policies);
  expect(err).toContain('no command service');
});

test('enrolment secrets are listed by name with their bounds', async () => {
  api.json('GET /v1/enrolment-secrets', {
    items: [
      { name: 'branch', state: 'full', identities: 500, maxIdentities: 500, gateways: 'all' },
      { name: '~abc', state: 'gone', identities: 3, gateways: 'none' },
      { name: 'other', state: 'unknown', identities: 1, gateways: 'none' },
    ],
    complete: false,
    unnamed: 2,
  });
  const { out, err } = await muster(['enrolment-secrets']);
  expect(out).toMatch(/branch +full +500 +500 +all/);
  expect(out).toMatch(/~abc +gone +3 +none/);
  expect(out).toMatch(/other +not known +1 +none/);
  expect(err).toContain('not known whether all gateways have answered');
  expect(err).toContain('2 enrolled before');
  // That no endpoint can enrol says only who knows it.
  api.json('GET /v1/enrolment-secrets', { items: [], complete: false, unnamed: 0 });
  expect((await muster(['enrolment-secrets'])).err).toContain('None is known now.');
  api.json('GET /v1/enrolment-secrets', { items: [], complete: true, unnamed: 0 });
  expect((await muster(['enrolment-secrets'])).err).toContain('no endpoint can enrol');
});

test('commands of one endpoint say how they went there; a scan says every check of one', async () => {
  const agentId = 'a'.repeat(24);
  api.json('GET /v1/agents', { items: [{ agentId, host: 'web-1' }] });
  api.json('GET /v1/commands', { items: [] });
  await muster(['commands', 'list', '--agent', 'web-1']);
  expect(api.requests.at(-1)?.path).toContain(`agent=${agentId}`);
  const id = `q${'0'.repeat(26)}`;
  const items = [{ num: 1, agentId, host: 'web-1', check: 'no-telnet', outcome: 'fail', evidence: null }];
  api.json(`GET /v1/scans/${id}/endpoints`, { items, isWhole: true });
  const { out, err } = await muster(['scan', 'endpoints', id, '--agent', 'web-1']);
  expect(err).toBe('');
  expect(out).toMatch(/web-1 +no-telnet +fail/);
  expect(api.requests.at(-1)?.path).toContain(`agent=${agentId}`);
  expect(await muster(['scan', 'endpoints', id])).toMatchObject({ code: 2, out: '' });
});
