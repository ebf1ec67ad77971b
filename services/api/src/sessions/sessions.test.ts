import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { trustedProxies } from '@muster/runtime';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { Browser, type BrowserReply } from '../testing/browser.js';
import { hashSecret, mintSecret, secretText } from './session-secret.js';

const OTHER = 'other' as OrgId;

let api: ApiFixture;
let browser: Browser;
beforeEach(async () => {
  api = await ApiFixture.start();
  browser = new Browser(api.port);
});
afterEach(() => api.stop());

const signIn = (token = api.adminToken, as = browser): Promise<BrowserReply> =>
  as.ask('POST', '/v1/session', { body: { token } });
const codeOf = ({ status, body }: BrowserReply): unknown => [status, body?.code];
const cookieOf = ({ headers }: BrowserReply): string => headers['set-cookie']?.[0] ?? '';

async function signedIn(change: Parameters<ApiFixture['token']>[0]): Promise<{ token: string; tokenId: string }> {
  const made = await api.token(change);
  expect((await signIn(made.token)).status).toBe(201);
  return made;
}

describe('a session', () => {
  test('has the role, the org and the selector of the token that signed in, and acts as that token', async () => {
    const { tokenId } = await signedIn({ role: 'analyst', selector: 'site=one', name: 'ann' });
    const me = await browser.ask('GET', '/v1/me');
    expect(me.body).toMatchObject({
      kind: 'token',
      id: tokenId,
      name: 'ann',
      org: ORG,
      role: 'analyst',
      selector: 'site=one',
    });
    expect(codeOf(await browser.ask('GET', '/v1/tokens'))).toEqual([403, 'forbidden']);
    const { agentId } = await api.agent({ labels: { site: 'two' } });
    expect((await browser.ask('GET', `/v1/agents/${agentId}`)).status).toBe(404);
    expect((await browser.ask('GET', '/v1/session')).body).toMatchObject({ via: 'token', principal: { id: tokenId } });
  });

  test('is held by a cookie that no script reads and no other site sends', async () => {
    const reply = await signIn();
    expect(cookieOf(reply)).toMatch(
      new RegExp(
        `^muster-${api.port}=default\\.s[a-z2-7]{16}\\.[a-z2-7]{52}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict$`,
      ),
    );
    // What is kept opens nothing.
    const kept = await api.connection.streams.last('MUSTER_SESSIONS', STREAM_SUBJECTS.session(ORG, reply.body.id));
    const secret = [...browser.cookies.values()][0]?.split('.')[2] ?? '';
    expect(Buffer.from(kept?.data ?? []).toString('latin1')).not.toContain(secret);
    expect(reply.text).not.toContain(secret);
  });

  test('ends with a sign-out, and the cookie is taken away', async () => {
    await signIn();
    const stolen = browser.copy();
    expect((await browser.ask('DELETE', '/v1/session')).status).toBe(204);
    expect(browser.cookies.size).toBe(0);
    expect(codeOf(await stolen.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
  });

  test('ends when the token behind it is revoked, with its streams', async () => {
    const { tokenId } = await signedIn({ role: 'viewer' });
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
    const stream = await fetch(`${api.url}/v1/health/events`, { headers: { cookie } });
    expect(stream.status).toBe(200);
    expect((await api.ask('DELETE', `/v1/tokens/${tokenId}`)).status).toBe(204);
    await stream.text();
    expect(codeOf(await browser.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
  });

  test('is listed for the same token, and ended from another one of theirs, with its streams', async () => {
    const { token } = await signedIn({ role: 'viewer' });
    const phone = new Browser(api.port);
    const made = await signIn(token, phone);
    const cookie = [...phone.cookies].map((pair) => pair.join('=')).join('; ');
    const stream = await fetch(`${api.url}/v1/health/events`, { headers: { cookie } });
    const { items } = (await browser.ask('GET', '/v1/sessions')).body as { items: { id: string; current?: true }[] };
    expect(items).toHaveLength(2);
    expect(items.filter(({ current }) => current === true)).toHaveLength(1);
    expect((await browser.ask('DELETE', `/v1/sessions/${made.body.id}`)).status).toBe(204);
    await stream.text();
    expect(codeOf(await phone.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
    expect((await browser.ask('GET', '/v1/sessions')).body.items).toHaveLength(1);
  });

  test('of somebody else is neither listed nor ended, in the own org and in another', async () => {
    const made = await signIn();
    for (const org of [ORG, OTHER]) {
      const { token } = await api.token({ role: 'admin', org });
      const stranger = new Browser(api.port);
      expect((await signIn(token, stranger)).status).toBe(201);
      expect((await stranger.ask('GET', '/v1/sessions')).body.items).toHaveLength(1);
      expect(codeOf(await stranger.ask('DELETE', `/v1/sessions/${made.body.id}`))).toEqual([404, 'not_found']);
    }
    expect((await browser.ask('GET', '/v1/me')).status).toBe(200);
  });
});

describe('a hostile cookie', () => {
  const set = (value: string): Browser => {
    const hostile = new Browser(api.port);
    hostile.cookies.set(`muster-${api.port}`, value);
    return hostile;
  };

  test('that was forged is refused: another secret, another org, no session, no form', async () => {
    const { body } = await signIn();
    const [, , secret = ''] = ([...browser.cookies.values()][0] ?? '').split('.');
    const forged = [
      secretText({ org: ORG, id: body.id, secret: 'a'.repeat(52) }),
      secretText({ org: OTHER, id: body.id, secret }),
      secretText(mintSecret(ORG)),
      '',
      '..',
      'x'.repeat(5_000),
      `${ORG}.${body.id}.`,
      `*.${body.id}.${secret}`,
      `${ORG}.${body.id}.${secret}x`,
      `>.${body.id}.${secret}`,
    ];
    for (const value of forged)
      expect([value, codeOf(await set(value).ask('GET', '/v1/me'))]).toEqual([value, [401, 'unauthenticated']]);
    expect((await api.audit()).at(-1)).toMatchObject({ actor: 'unknown', outcome: 'refused', from: '127.0.0.1' });
  });

  test('under the name of another port or with the prefix of TLS does not count, nor does one that comes twice', async () => {
    await signIn();
    const value = [...browser.cookies.values()][0] ?? '';
    for (const name of ['muster', `muster-${api.port + 1}`, '__Host-muster']) {
      const other = new Browser(api.port);
      other.cookies.set(name, value);
      expect((await other.ask('GET', '/v1/me')).status).toBe(401);
    }
    const cookie = `muster-${api.port}=${value}; muster-${api.port}=${value}`;
    expect((await new Browser(api.port).ask('GET', '/v1/me', { headers: { cookie } })).status).toBe(401);
  });

  test('does not weaken a bearer token, which counts where both are sent', async () => {
    await signIn();
    const { token } = await api.token({ role: 'viewer', name: 'bearer' });
    const both = await browser.ask('GET', '/v1/me', { headers: { authorization: `Bearer ${token}` } });
    expect(both.body.name).toBe('bearer');
    expect((await browser.ask('GET', '/v1/me', { headers: { authorization: 'Bearer nothing' } })).status).toBe(401);
  });

  test('guessed again and again is refused before it is looked at', async () => {
    const codes: unknown[] = [];
    for (let i = 0; i < 30; i += 1) codes.push((await set(secretText(mintSecret(ORG))).ask('GET', '/v1/me')).status);
    expect(codes.slice(0, 20)).toEqual(Array(20).fill(401));
    expect(codes.at(-1)).toBe(429);
    expect((await signIn()).status).toBe(201);
  });
});

describe('a call that says whose session it is meant for', () => {
  const meant = (id: string) => ({ headers: { 'muster-person': `${ORG}/token/${id}` } });

  test('is refused where somebody else has signed in in the browser since, and does nothing', async () => {
    const one = (await signIn()).body.principal.id as string;
    const asOne = meant(one);
    expect((await browser.ask('GET', '/v1/me', asOne)).status).toBe(200);
    const made = await browser.ask('POST', '/v1/tokens', { body: { name: 'Bob', role: 'admin' } });
    const other = (await signIn(made.body.token)).body.principal.id as string;
    const body = { name: 'Eve', role: 'admin' };
    const refused = await browser.ask('POST', '/v1/tokens', { ...asOne, body });
    expect(codeOf(refused)).toEqual([403, 'other_person']);
    expect(codeOf(await browser.ask('DELETE', '/v1/session', asOne))).toEqual([403, 'other_person']);
    const { items } = (await browser.ask('GET', '/v1/tokens', meant(other))).body;
    expect(items.map(({ name }: { name: string }) => name)).not.toContain('Eve');
  });
});

describe('a request of another origin', () => {
  const refused = [403, 'cross_site'];

  test.each([
    ['another site', { site: 'cross-site' }],
    ['another port or a neighbour in the domain', { site: 'same-site' }],
    ['an old browser with the Origin of another', { site: null, headers: { origin: 'http://evil.example' } }],
    ['an old browser with the Origin of another port', { site: null, headers: { origin: 'http://127.0.0.1:1' } }],
    ['a frame without an origin', { site: null, headers: { origin: 'null' } }],
  ] as const)('%s: neither reads nor changes anything, nor signs anybody in', async (_what, options) => {
    await signIn();
    for (const [method, path] of [
      ['GET', '/v1/me'],
      ['POST', '/v1/tokens'],
      ['DELETE', '/v1/session'],
    ] as const) {
      expect([path, codeOf(await browser.ask(method, path, options))]).toEqual([path, refused]);
    }
    const victim = new Browser(api.port);
    const mine = await victim.ask('POST', '/v1/session', { ...options, body: { token: api.adminToken } });
    expect([codeOf(mine), victim.cookies.size]).toEqual([refused, 0]);
    expect((await browser.ask('GET', '/v1/me')).status).toBe(200);
  });

  test('a call that changes something without the mark of the console is refused, whatever it is', async () => {
    await signIn();
    for (const { method, path } of api.api.operations) {
      if (method === 'get' || path.startsWith('/v1/session')) continue;
      const reply = await browser.ask(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), { isUnmarked: true });
      expect([path, codeOf(reply)]).toEqual([path, refused]);
    }
    const form = { isUnmarked: true, headers: { 'content-type': 'text/plain' } } as const;
    expect(codeOf(await browser.ask('DELETE', '/v1/session', form))).toEqual(refused);
    expect((await browser.ask('GET', '/v1/me', { isUnmarked: true })).status).toBe(200);
  });

  test('a page of another origin is given no permission to ask', async () => {
    const preflight = await browser.ask('OPTIONS', '/v1/session', { headers: { origin: 'http://evil.example' } });
    expect(Object.keys(preflight.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('signing in', () => {
  test.each(['', 'mst_x', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', `mst_${'a'.repeat(16)}_${'b'.repeat(59)}`])(
    'with %j is refused and kept in the audit record',
    async (token) => {
      const reply = await signIn(token);
      expect([codeOf(reply), browser.cookies.size]).toEqual([[401, 'unauthenticated'], 0]);
      expect((await api.audit()).at(-1)).toMatchObject({
        ...{ action: 'session.sign_in', actor: 'unknown', outcome: 'refused', from: '127.0.0.1' },
        details: { way: 'token' },
      });
    },
  );

  test('is slowed down where it fails again and again, and still works for who has a token', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 25; i += 1) statuses.push((await signIn('mst_wrong')).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
    expect((await signIn()).status).toBe(201);
  });

  test('and out is kept in the audit record, with the session in what is done in between', async () => {
    const { body } = await signIn();
    await browser.ask('POST', '/v1/tokens', { body: { name: 'made', role: 'viewer' } });
    await browser.ask('DELETE', '/v1/session');
    const records = (await api.audit()).filter(({ actor }) => actor === 'bootstrap');
    expect(records.map(({ action, subject }) => [action, subject])).toEqual([
      ['session.sign_in', body.id],
      ['token.create', expect.any(String)],
      ['session.sign_out', body.id],
    ]);
    expect(records[1]?.details).toMatchObject({ session: body.id });
  });

  test('over plain HTTP works on loopback only', async () => {
    for (const host of [
      `console.example`,
      `10.1.2.3:${api.port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ]) {
      const reply = await signIn(api.adminToken, new Browser(api.port, host));
      expect([host, codeOf(reply), reply.headers['set-cookie']]).toEqual([host, [403, 'forbidden'], undefined]);
    }
    for (const host of [`localhost:${api.port}`, `[::1]:${api.port}`]) {
      expect((await signIn(api.adminToken, new Browser(api.port, host))).status).toBe(201);
    }
  });
});

test('behind a trusted proxy with TLS the cookie has the prefix that other hosts cannot set', async () => {
  await api.stop();
  api = await ApiFixture.start({ proxies: trustedProxies(['127.0.0.1/32']) });
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' };
  const proxied = new Browser(api.port, 'console.example');
  const reply = await proxied.ask('POST', '/v1/session', { headers, body: { token: api.adminToken } });
  expect(cookieOf(reply)).toMatch(/^__Host-muster=\S+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/);
  expect((await proxied.ask('GET', '/v1/me', { headers })).status).toBe(200);
  // A cookie without the prefix may come from a neighbour in the domain.
  const value = proxied.cookies.get('__Host-muster') ?? '';
  proxied.cookies.clear();
  proxied.cookies.set('muster-80', value);
  expect((await proxied.ask('GET', '/v1/me', { headers })).status).toBe(401);
});

test('one token has a hundred sessions; with one more the least used one ends', async () => {
  const { body: first } = await signIn();
  for (let i = 0; i < 100; i += 1) expect((await signIn(api.adminToken, new Browser(api.port))).status).toBe(201);
  await eventually(async () => (await browser.ask('GET', '/v1/me')).status === 401);
  const { token } = await api.token({ role: 'viewer' });
  expect(first.principal.id).toBe('bootstrap');
  expect((await signIn(token)).status).toBe(201);
});

test('a session of the configured token ends when another one is configured', async () => {
  const secret = mintSecret(ORG);
  const now = Date.now();
  const principal = {
    kind: 'token',
    id: 'bootstrap',
    name: 'x',
    role: 'admin',
    person: 'bootstrap',
    origin: 'bootstrap',
  } as const;
  await api.connection.streams.append(
    STREAM_SUBJECTS.session(ORG, secret.id),
    encodeRecord({
      ...{
        id: secret.id,
        org: ORG,
        via: 'token',
        hash: hashSecret(secret.secret),
        principal,
        bootstrapHash: '00'.repeat(32),
      },
      ...{ createdAtMs: now, usedAtMs: now, endsAtMs: now + 60_000, from: '127.0.0.1', userAgent: '' },
    }),
  );
  browser.cookies.set(`muster-${api.port}`, secretText(secret));
  expect(codeOf(await browser.ask('GET', '/v1/me'))).toEqual([401, 'unauthenticated']);
});
