import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { operations, type OperationContract } from '@muster/api-contract';
import type { OrgId } from '@muster/protocol';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { parseApiPolicy, Reauthentication, type ApiPolicy } from '../auth/reauthentication.js';
import type { Principal } from '../http/principal.js';
import { ApiFixture } from '../testing/api-fixture.js';
import { Browser, type BrowserReply } from '../testing/browser.js';

const MINUTE = 60_000;
const RULES = [
  { actions: ['destructive', 'undo'], maxAge: '15m' },
  { operations: ['webhook.*'], maxAge: '5m' },
];

let clock: FakeClock;
let policy: ApiPolicy;
let api: ApiFixture;
let browser: Browser;
beforeEach(async () => {
  clock = new FakeClock(1_790_000_000_000);
  policy = parsed({ reauthentication: RULES });
  api = await ApiFixture.start({ clock, reauthentication: new Reauthentication({ policy: () => policy, clock }) });
  browser = new Browser(api.port);
});
afterEach(() => api.stop());

function parsed(document: unknown): ApiPolicy {
  const result = parseApiPolicy(JSON.stringify(document));
  if (!result.ok) throw new Error(result.faults.join('\n'));
  return result.value;
}

const codeOf = ({ status, body }: BrowserReply): unknown => [status, body?.code];
const REFUSED = [403, 'reauthentication_required'];
const signIn = async (token = api.adminToken, as = browser): Promise<void> => {
  expect((await as.ask('POST', '/v1/session', { body: { token } })).status).toBe(201);
};
const again = (token = api.adminToken, as = browser): Promise<BrowserReply> =>
  as.ask('POST', '/v1/session/reauthenticate', { body: { token } });
const order = (as = browser, change: object = {}): Promise<BrowserReply> =>
  as.ask('POST', '/v1/commands', {
    body: { action: 'process.kill', params: { name: 'x' }, target: { selector: 'os=linux' }, ...change },
  });

describe('a session whose last sign-in is older than the policy’s age', () => {
  test('orders no action that the policy names, until its owner signs in again; then the same call passes', async () => {
    await api.agent();
    await signIn();
    clock.advance(15 * MINUTE);
    expect((await order()).status).toBe(202);
    clock.advance(1);
    const refused = await order();
    expect(codeOf(refused)).toEqual(REFUSED);
    expect(refused.body).toMatchObject({ maxAgeMs: 15 * MINUTE, authenticatedAt: '2026-09-21T14:13:20.000Z' });
    expect((await api.audit()).at(-1)).toMatchObject({
      ...{ action: 'command.submit', outcome: 'refused', code: 'reauthentication_required', actor: 'bootstrap' },
    });
    // A key that a refusal came with is still free.
    const headers = { 'idempotency-key': 'k1' };
    const body = { action: 'process.kill', params: { name: 'x' }, target: { selector: 'os=linux' } };
    expect(codeOf(await browser.ask('POST', '/v1/commands', { headers, body }))).toEqual(REFUSED);
    expect((await again()).status).toBe(200);
    expect((await browser.ask('POST', '/v1/commands', { headers, body })).status).toBe(202);
    expect(
      (await api.audit()).some(({ action, outcome }) => action === 'session.reauthenticate' && outcome === 'allowed'),
    ).toBe(true);
  });

  test('still tries, plans, orders and reads what the policy does not name', async () => {
    await api.agent();
    await signIn();
    clock.advance(30 * MINUTE);
    expect((await order(browser, { dryRun: true })).status).toBe(202);
    const { action, params, target } = {
      action: 'process.kill',
      params: { name: 'x' },
      target: { selector: 'os=linux' },
    };
    expect((await browser.ask('POST', '/v1/commands/plan', { body: { action, params, target } })).status).toBe(200);
    expect((await order(browser, { action: 'dns.flush', params: {} })).status).toBe(202);
    expect((await browser.ask('GET', '/v1/webhooks')).status).toBe(200);
    expect((await browser.ask('DELETE', '/v1/session')).status).toBe(204);
  });

  test('approves and undoes no such action', async () => {
    await api.agent();
    await signIn();
    const { body } = await order();
    clock.advance(16 * MINUTE);
    expect(codeOf(await browser.ask('POST', `/v1/commands/${body.id}/approve`, { body: {} }))).toEqual(REFUSED);
    expect(codeOf(await browser.ask('POST', `/v1/commands/${body.id}/undo`, { body: {} }))).toEqual(REFUSED);
    // To stop something is never put off, unless a rule names it.
    expect(codeOf(await browser.ask('DELETE', `/v1/commands/${body.id}`))).not.toEqual(REFUSED);
  });

  test('does no operation that the policy names, and makes no token, by which it could do all of it', async () => {
    await signIn();
    const hook = { body: { url: 'https://hooks.example/x', events: ['query.ended'] } };
    clock.advance(5 * MINUTE + 1);
    expect(codeOf(await browser.ask('POST', '/v1/webhooks', hook))).toEqual(REFUSED);
    const token = { body: { name: 'mine', role: 'admin' } };
    expect(codeOf(await browser.ask('POST', '/v1/tokens', token))).toEqual(REFUSED);
    expect((await again()).status).toBe(200);
    expect(codeOf(await browser.ask('POST', '/v1/webhooks', hook))).not.toEqual(REFUSED);
    expect((await browser.ask('POST', '/v1/tokens', token)).status).toBe(201);
  });

  test('gets no younger by a link that it makes, by use, or by somebody else’s token', async () => {
    await api.agent();
    await signIn();
    clock.advance(16 * MINUTE);
    expect((await browser.ask('GET', '/v1/me')).status).toBe(200);
    const { body } = await browser.ask('POST', '/v1/session/links', { body: {} });
    const other = new Browser(api.port);
    const code = String(body.path).replace('/sign-in#code=', '');
    expect((await other.ask('POST', '/v1/session/exchange', { body: { code } })).status).toBe(201);
    expect(codeOf(await order(other))).toEqual(REFUSED);
    const { token } = await api.token({ role: 'admin' });
    for (const wrong of [token, '', 'mst_wrong', `${api.adminToken.slice(0, -1)}x`]) {
      expect(codeOf(await again(wrong))).toEqual([403, 'forbidden']);
    }
    expect(codeOf(await order())).toEqual(REFUSED);
    // Its owner is still signed in.
    expect((await browser.ask('GET', '/v1/session')).body.authenticatedAt).toBe('2026-09-21T14:13:20.000Z');
  });
});

describe('signing in again', () => {
  test('gives the session a new secret: who stole the one before has only what it was worth, for some seconds', async () => {
    await api.agent();
    await signIn();
    const stolen = browser.copy();
    clock.advance(16 * MINUTE);
    const { body } = await again();
    expect(body).toMatchObject({ current: true, authenticatedAt: new Date(clock.now()).toISOString() });
    expect((await order()).status).toBe(202);
    // Calls of the page that were under way.
    expect((await stolen.ask('GET', '/v1/me')).status).toBe(200);
    expect(codeOf(await order(stolen))).toEqual(REFUSED);
    clock.advance(10_001);
    expect(codeOf(await stolen.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
    expect((await browser.ask('GET', '/v1/sessions')).body.items).toHaveLength(1);
  });

  test('ends the streams that the cookie before opened, and those of the new one stay', async () => {
    await signIn();
    const streamOf = async ({ cookies }: Browser): Promise<{ readonly isOver: () => boolean }> => {
      const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
      const stream = await fetch(`${api.url}/v1/health/events`, { headers: { cookie }, signal: aborted.signal });
      expect(stream.status).toBe(200);
      let over = false;
      stream.text().then(
        () => (over = true),
        () => undefined,
      );
      return { isOver: () => over };
    };
    const aborted = new AbortController();
    const stolen = browser.copy();
    const early = await streamOf(stolen);
    expect((await again()).status).toBe(200);
    // Under the old cookie, while calls that were under way still count.
    const late = await streamOf(stolen);
    const own = await streamOf(browser);
    clock.advance(10_001);
    await eventually(() => {
      // Streams look at the time by the same clock.
      clock.advance(500);
      return early.isOver() && late.isOver();
    });
    expect(own.isOver()).toBe(false);
    aborted.abort();
  });

  test('ends what links opened that were made under the cookie before, and that one makes no further ones', async () => {
    await signIn();
    const stolen = browser.copy();
    const link = async (as: Browser): Promise<string> => {
      const { status, body } = await as.ask('POST', '/v1/session/links', { body: {} });
      expect([status, body.code]).toEqual([201, undefined]);
      return String(body.path).replace('/sign-in#code=', '');
    };
    const opened = async (code: string): Promise<{ readonly as: Browser; readonly status: number }> => {
      const as = new Browser(api.port);
      return { as, status: (await as.ask('POST', '/v1/session/exchange', { body: { code } })).status };
    };
    const child = await opened(await link(stolen));
    const grandchild = await opened(await link(child.as));
    const unused = await link(stolen);
    for (const { as } of [child, grandchild]) expect((await as.ask('GET', '/v1/me')).status).toBe(200);
    expect((await again()).status).toBe(200);
    for (const { as } of [child, grandchild])
      expect(codeOf(await as.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
    expect((await opened(unused)).status).toBe(401);
    expect(codeOf(await stolen.ask('POST', '/v1/session/links', { body: {} }))).toEqual([409, 'conflict']);
    const own = await opened(await link(browser));
    expect((await own.as.ask('GET', '/v1/me')).status).toBe(200);
    expect((await browser.ask('GET', '/v1/sessions')).body.items).toHaveLength(2);
    // And with the session that made the link.
    expect((await browser.ask('DELETE', '/v1/session')).status).toBe(204);
    expect(codeOf(await own.as.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
  });

  test('does not put off the end of the session, and the cookie ends with it', async () => {
    const { body } = await browser.ask('POST', '/v1/session', { body: { token: api.adminToken } });
    clock.advance(30 * MINUTE);
    const renewed = await again();
    expect(renewed.body.endsAt).toBe(body.endsAt);
    expect(renewed.headers['set-cookie']?.[0]).toContain(`Max-Age=${12 * 3_600 - 30 * 60};`);
  });

  test('is nothing that a token does: it is out of all rules, and has no session', async () => {
    await api.agent();
    clock.advance(60 * MINUTE);
    const body = { action: 'process.kill', params: { name: 'x' }, target: { selector: 'os=linux' } };
    expect((await api.ask('POST', '/v1/commands', { body })).status).toBe(202);
    const asked = await api.ask('POST', '/v1/session/reauthenticate', { body: { token: api.adminToken } });
    expect([asked.status, asked.body.code]).toEqual([409, 'conflict']);
  });
});

test('a rule of one org does not bind another, and a changed policy counts at once', async () => {
  await api.agent();
  await signIn();
  clock.advance(60 * MINUTE - 1);
  policy = parsed({ reauthentication: [{ actions: ['*'], maxAge: '1m', org: 'other' }] });
  expect((await order()).status).toBe(202);
  policy = parsed({ reauthentication: [{ actions: ['process.*'], maxAge: '1m', org: 'default' as OrgId }] });
  expect(codeOf(await order())).toEqual(REFUSED);
});

test('nothing that only reads needs a recent sign-in, not even where it is audited', () => {
  policy = parsed({ reauthentication: [{ operations: ['*'], actions: ['*'], maxAge: '10s' }] });
  const rule = new Reauthentication({ policy: () => policy, clock });
  const principal = { org: 'default' as OrgId, sessionId: 's', authenticatedAtMs: 1 } as Principal;
  const contracts = Object.values(operations) as readonly OperationContract[];
  for (const { action } of contracts.filter((one) => one.method === 'get')) {
    expect(() => rule.checkOperation(principal, action)).not.toThrow();
  }
  expect(() => rule.checkOperation(principal, 'agent.label')).toThrow('recent sign-in');
});

test('the documentation’s examples are policies, and what they name exists', () => {
  const page = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const [, section = ''] = /\n## Signing in again\n(.*?)\n##/s.exec(page) ?? [];
  const examples = [...section.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text ?? '') as unknown);
  const named = (member: string): string[] => {
    const [, line = ''] = new RegExp(`\n- \`${member}\`: (.*)`).exec(section) ?? [];
    return [...line.matchAll(/`([a-z_]+\.[a-z_]+)`/g)].map(([, name]) => name ?? '');
  };
  expect(named('operations').length).toBeGreaterThan(3);
  for (const operation of named('operations')) {
    examples.push({ reauthentication: [{ operations: [operation], maxAge: '5m' }] });
  }
  for (const example of examples) expect(parseApiPolicy(JSON.stringify(example))).toMatchObject({ ok: true });
});

test.each([
  [{ reauthentication: [{ actions: ['process.kil'], maxAge: '15m' }] }, 'process.kil is no action'],
  [{ reauthentication: [{ operations: ['query.list'], maxAge: '15m' }] }, 'query.list is no operation that changes'],
  [{ reauthentication: [{ operations: ['bandwidth.*'], maxAge: '15m' }] }, 'bandwidth.* is no operation that changes'],
  [{ reauthentication: [{ operations: ['metrics.watch'], maxAge: '15m' }] }, 'metrics.watch is no operation that'],
  [{ reauthentication: [{ operations: ['session.*'], maxAge: '15m' }] }, 'session.* is no operation'],
  [{ reauthentication: [{ operations: ['*'], maxAge: '9s' }] }, 'must be a duration from 10s to 30d'],
  [{ reauthentication: [{ maxAge: '15m' }] }, 'names neither actions nor operations'],
  [{ reauthentification: [] }, 'reauthentification'],
])('%j is refused: %s', (document, fault) => {
  const result = parseApiPolicy(JSON.stringify(document));
  expect(result.ok ? '' : result.faults.join('\n')).toContain(fault);
});
