import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock, Secret } from '@muster/runtime';
import { ApiFixture } from '../testing/api-fixture.js';
import { Browser } from '../testing/browser.js';
import { IdentityProvider } from '../testing/identity-provider.js';
import { OidcClient } from './oidc-client.js';

const START = '/v1/session/oidc/start';
const CALLBACK = '/v1/session/oidc/callback';

let api: ApiFixture;
let provider: IdentityProvider;
let browser: Browser;
/** By how much the clock of the API is behind the provider's. */
let behindMs: number;
beforeEach(async () => {
  behindMs = 0;
  provider = new IdentityProvider();
  // The address of the API is known when it listens; the provider only compares it.
  const redirectUri = 'https://console.example/v1/session/oidc/callback';
  await provider.start(redirectUri);
  const client = new OidcClient({
    issuer: new URL(provider.issuer),
    ...{ clientId: 'console', clientSecret: new Secret(provider.clientSecret), scopes: 'openid profile' },
    redirectUri: new URL(redirectUri),
    mapping: {
      roleClaim: 'groups',
      roleMap: { soc: 'responder', 'it-admins': 'admin', readers: 'viewer' },
      org: { claim: 'tenant' },
    },
    clock: { ...systemClock, now: () => systemClock.now() - behindMs },
  });
  api = await ApiFixture.start({ oidcSignIn: { client, issuer: provider.issuer } });
  browser = new Browser(api.port);
  provider.account = { sub: 'u-17', claims: { preferred_username: 'ann', groups: ['staff', 'soc'], tenant: 'acme' } };
});
afterEach(async () => {
  await api.stop();
  await provider.stop();
});

const locationOf = (reply: { headers: Readonly<Record<string, unknown>> }): string => String(reply.headers['location']);

/** What the provider's pages do: follows its redirects to the address that it sends the browser back to. */
async function atProvider(address: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = address;
  for (let i = 0; i < 10 && url.startsWith(provider.issuer); i += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${response.status} at ${url}: ${await response.text()}`);
    url = new URL(location, url).href;
  }
  return url;
}

/** The path to which the provider sends this browser back. */
async function returning(as = browser, to = '/fleet'): Promise<string> {
  const started = await as.ask('GET', `${START}?to=${encodeURIComponent(to)}`, { site: 'same-origin' });
  expect(started.status).toBe(302);
  const back = new URL(await atProvider(locationOf(started)));
  expect(back.origin + back.pathname).toBe('https://console.example/v1/session/oidc/callback');
  return back.pathname + back.search;
}

const comeBack = (path: string, as = browser) => as.ask('GET', path, { site: 'cross-site', isUnmarked: true });

describe('signing in again at an identity provider', () => {
  /** The query string with which the provider is asked, and the path to which it sends the browser back. */
  async function again(): Promise<{ asked: URLSearchParams; path: string }> {
    const started = await browser.ask('GET', `${START}?again=true&to=%2Fsign-in`);
    const back = new URL(await atProvider(locationOf(started)));
    return { asked: new URL(locationOf(started)).searchParams, path: back.pathname + back.search };
  }
  const authenticatedAt = async (): Promise<number> =>
    Date.parse((await browser.ask('GET', '/v1/session')).body.authenticatedAt ?? 'never');

  test('the provider has to ask, and the session of this browser goes on as signed in a moment ago', async () => {
    await comeBack(await returning());
    const { body: before } = await browser.ask('GET', '/v1/session');
    // This provider does not say when it asked, unless it is asked to.
    expect(before.authenticatedAt).toBeUndefined();
    const { asked, path } = await again();
    expect([asked.get('prompt'), asked.get('max_age')]).toEqual(['login', '0']);
    const stolen = browser.copy();
    const reply = await comeBack(path);
    expect([reply.status, locationOf(reply)]).toEqual([302, '/sign-in']);
    expect((await browser.ask('GET', '/v1/session')).body).toMatchObject({
      id: before.id,
      createdAt: before.createdAt,
    });
    expect(Math.abs(Date.now() - (await authenticatedAt()))).toBeLessThan(60_000);
    expect((await stolen.ask('GET', '/v1/session')).body.authenticatedAt).toBeUndefined();
  });

  test('a provider whose clock is ahead does not make a sign-in later than it was', async () => {
    behindMs = 90_000;
    await comeBack(await returning());
    expect((await comeBack((await again()).path)).status).toBe(302);
    expect(await authenticatedAt()).toBeLessThanOrEqual(Date.now() - behindMs);
  });

  test('somebody else is refused, and the session stays as it is', async () => {
    await comeBack(await returning());
    provider.account = { sub: 'u-18', claims: { preferred_username: 'bob', groups: ['it-admins'], tenant: 'acme' } };
    expect(locationOf(await comeBack((await again()).path))).toBe('/sign-in?error=other');
    expect((await browser.ask('GET', '/v1/me')).body).toMatchObject({ id: 'u-17', name: 'ann', role: 'responder' });
    expect(await authenticatedAt()).toBeNaN();
  });

  test('needs a session, and an answer to a request that had the provider ask', async () => {
    expect((await browser.ask('GET', `${START}?again=true`)).status).toBe(401);
    await comeBack(await returning());
    const path = await returning();
    const name = `muster-login-${api.port}`;
    const kept = JSON.parse(Buffer.from(browser.cookies.get(name) ?? '', 'base64url').toString()) as object;
    const { id } = (await browser.ask('GET', '/v1/session')).body as { id: string };
    for (const forged of [
      { ...kept, session: id },
      { ...kept, session: id, again: true },
    ]) {
      browser.cookies.set(name, Buffer.from(JSON.stringify(forged)).toString('base64url'));
      expect(locationOf(await comeBack(path))).toMatch(/^\/sign-in\?error=/);
    }
    expect(await authenticatedAt()).toBeNaN();
  });
});

describe('signing in at an identity provider', () => {
  test('opens a session with the role, the org and the name that the provider says', async () => {
    expect((await browser.ask('GET', '/v1/session/ways')).body.oidc).toEqual({
      name: new URL(provider.issuer).host,
      start: START,
    });
    const reply = await comeBack(await returning());
    expect([reply.status, locationOf(reply)]).toEqual([302, '/fleet']);
    expect((await browser.ask('GET', '/v1/me')).body).toMatchObject({
      kind: 'oidc',
      id: 'u-17',
      name: 'ann',
      org: 'acme',
      role: 'responder',
    });
    expect([...browser.cookies.keys()]).toEqual([`muster-${api.port}`]);
    const record = (await api.audit()).find(({ action }) => action === 'session.sign_in');
    expect(record).toMatchObject({
      org: 'acme',
      actor: 'u-17',
      actorName: 'ann',
      outcome: 'allowed',
      details: { way: 'oidc' },
    });
    expect((await browser.ask('GET', '/v1/sessions')).body.items).toMatchObject([{ via: 'oidc', current: true }]);
  });

  test('asks with PKCE, a state and a nonce, which the browser keeps and no script reads', async () => {
    const started = await browser.ask('GET', START);
    const asked = new URL(locationOf(started)).searchParams;
    expect([asked.get('response_type'), asked.get('code_challenge_method')]).toEqual(['code', 'S256']);
    for (const name of ['state', 'nonce', 'code_challenge']) expect(asked.get(name)).toMatch(/^[\w-]{43}$/);
    expect(started.headers['set-cookie']?.[0]).toMatch(/; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
  });

  test('sends nobody out of the console afterwards', async () => {
    for (const to of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:x', '']) {
      expect([to, (await browser.ask('GET', `${START}?to=${encodeURIComponent(to)}`)).status]).toEqual([to, 400]);
    }
    const path = await returning();
    const name = `muster-login-${api.port}`;
    const kept = JSON.parse(Buffer.from(browser.cookies.get(name) ?? '', 'base64url').toString()) as object;
    browser.cookies.set(name, Buffer.from(JSON.stringify({ ...kept, to: '//evil.example' })).toString('base64url'));
    expect(locationOf(await comeBack(path))).toBe('/sign-in?error=expired');
  });
});

describe('somebody who comes back', () => {
  const refusedAs = async (error: string, path: string, as = browser): Promise<void> => {
    const reply = await comeBack(path, as);
    expect([reply.status, locationOf(reply)]).toEqual([302, `/sign-in?error=${error}`]);
    expect((await as.ask('GET', '/v1/me')).status).toBe(401);
    expect((await api.audit()).at(-1)).toMatchObject({ action: expect.stringMatching(/session|me/) });
  };

  test('to another browser than the one that asked gets no session', async () => {
    const path = await returning();
    await refusedAs('expired', path, new Browser(api.port));
    // A victim who is led to an attacker's answer while a request of their own is open.
    const victim = new Browser(api.port);
    await victim.ask('GET', START);
    await refusedAs('failed', path, victim);
    const refusals = (await api.audit()).filter(({ action }) => action === 'session.sign_in');
    expect(refusals).toMatchObject([
      { actor: 'unknown', outcome: 'refused', details: { way: 'oidc', reason: 'oidc_no_request' } },
      { actor: 'unknown', outcome: 'refused', details: { way: 'oidc', reason: 'oidc_failed' } },
    ]);
  });

  test('with the code of somebody else under their own state gets no session: the verifier is another', async () => {
    const stolen = new URLSearchParams((await returning()).split('?')[1]);
    const thief = new Browser(api.port);
    const own = new URLSearchParams((await returning(thief)).split('?')[1]);
    own.set('code', stolen.get('code') ?? '');
    await refusedAs('failed', `${CALLBACK}?${own.toString()}`, thief);
  });

  test('a second time with the same answer gets no second session', async () => {
    const path = await returning();
    const twin = browser.copy();
    expect((await comeBack(path)).status).toBe(302);
    await refusedAs('expired', path, new Browser(api.port));
    await refusedAs('failed', path, twin);
  });

  test('without consent, without a role here, and without an org is told so', async () => {
    provider.account = undefined;
    await refusedAs('denied', await returning());
    for (const claims of [
      { groups: ['staff'], tenant: 'acme' },
      { groups: [], tenant: 'acme' },
      { groups: ['soc'] },
      { groups: ['soc'], tenant: 'No Org' },
    ]) {
      provider.account = { sub: `u-${JSON.stringify(claims).length}`, claims };
      await refusedAs('role', await returning());
    }
  });

  test('with garbage is refused, and slowed down after many attempts', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 25; i += 1) statuses.push((await comeBack(`${CALLBACK}?code=x&state=y`)).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([302, 429]);
  });

  test('while the provider cannot be reached is told so', async () => {
    const path = await returning();
    await provider.stop();
    await refusedAs('unavailable', path);
  });
});

test('a provider that cannot be reached is told on the sign-in page, and found again when it is back', async () => {
  const client = new OidcClient({
    ...{ issuer: new URL('http://127.0.0.1:1'), clientId: 'console', scopes: 'openid', clock: systemClock },
    redirectUri: new URL('https://console.example/v1/session/oidc/callback'),
    mapping: { roleClaim: 'groups', roleMap: {}, org: { claim: 'tenant' } },
  });
  const other = await ApiFixture.start({ oidcSignIn: { client, issuer: 'http://127.0.0.1:1' } });
  const reply = await new Browser(other.port).ask('GET', START);
  expect([reply.status, locationOf(reply)]).toEqual([302, '/sign-in?error=unavailable']);
  await other.stop();
});

test('without a provider for signing in there is no such way', async () => {
  const plain = await ApiFixture.start();
  expect((await plain.get('/v1/session/ways', { token: null })).body).toEqual({ token: true, link: true });
  for (const path of [START, `${CALLBACK}?code=x&state=y`]) expect((await plain.get(path)).status).toBe(404);
  await plain.stop();
});
