import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import { Browser, type BrowserReply } from '../testing/browser.js';

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

describe('a link', () => {
  const exchange = (code: string, as = browser): Promise<BrowserReply> =>
    as.ask('POST', '/v1/session/exchange', { body: { code } });

  async function makeLink(token = api.adminToken): Promise<string> {
    const { status, body } = await api.ask('POST', '/v1/session/links', { token });
    expect([status, body.url]).toEqual([201, undefined]);
    return body.path.replace('/sign-in#code=', '') as string;
  }

  test('signs in once, with the rights of who made it; of two at the same moment one gets in', async () => {
    const { token, tokenId } = await api.token({ role: 'responder', name: 'rita' });
    const code = await makeLink(token);
    const browsers = Array.from({ length: 5 }, () => new Browser(api.port));
    const replies = await Promise.all(browsers.map((each) => exchange(code, each)));
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 401, 401, 401, 401]);
    const winner = browsers[replies.findIndex(({ status }) => status === 201)] ?? browser;
    expect((await winner.ask('GET', '/v1/session')).body).toMatchObject({
      via: 'link',
      principal: { id: tokenId, role: 'responder' },
    });
    expect(codeOf(await exchange(code))).toEqual([401, 'unauthenticated']);
  });

  test('is no session, and a session is no link', async () => {
    const code = await makeLink();
    const hostile = new Browser(api.port);
    hostile.cookies.set(`muster-${api.port}`, code.replace('msl_', ''));
    expect((await hostile.ask('GET', '/v1/me')).status).toBe(401);
    await signIn();
    const cookie = [...browser.cookies.values()][0] ?? '';
    expect((await exchange(`msl_${cookie}`)).status).toBe(401);
    expect((await exchange(code)).status).toBe(201);
  });

  test('is refused where it is forged, and where its maker’s token was revoked since', async () => {
    const { token, tokenId } = await api.token({ role: 'viewer' });
    const code = await makeLink(token);
    for (const forged of [
      '',
      'msl_',
      code.slice(0, -1),
      code.replace('default', 'other'),
      `${code.slice(0, -4)}aaaa`,
    ]) {
      expect((await exchange(forged)).status).toBe(401);
    }
    await api.ask('DELETE', `/v1/tokens/${tokenId}`);
    expect(codeOf(await exchange(code))).toEqual([401, 'unauthenticated']);
  });

  test('of a session opens none that lasts longer', async () => {
    const { body: parent } = await signIn();
    const made = await browser.ask('POST', '/v1/session/links', { body: {} });
    const other = new Browser(api.port);
    const opened = await exchange(made.body.path.replace('/sign-in#code=', ''), other);
    expect(opened.body.endsAt).toBe(parent.endsAt);
  });
});

describe('time', () => {
  const HOUR = 3_600_000;
  let clock: FakeClock;
  beforeEach(async () => {
    await api.stop();
    clock = new FakeClock(1_790_000_000_000);
    api = await ApiFixture.start({ clock, sessionIdleMs: HOUR, sessionMaxMs: 3 * HOUR });
    browser = new Browser(api.port);
  });

  test('a session lives on while it is used, ends when it is not, and ends at last whatever happens', async () => {
    await signIn();
    const idle = browser.copy();
    const busy = new Browser(api.port);
    await signIn(api.adminToken, busy);
    for (let i = 0; i < 5; i += 1) {
      expect([i, (await busy.ask('GET', '/v1/me')).status]).toEqual([i, 200]);
      clock.advance(HOUR / 2);
    }
    expect(codeOf(await idle.ask('GET', '/v1/me'))).toEqual([401, 'token_expired']);
    clock.advance(HOUR / 2);
    expect(codeOf(await busy.ask('GET', '/v1/me'))).toEqual([401, 'token_expired']);
  });

  test('a link is over after its time', async () => {
    const { body } = await api.ask('POST', '/v1/session/links', { body: { for: '2m' } });
    clock.advance(121_000);
    const reply = await browser.ask('POST', '/v1/session/exchange', { body: { code: body.path.split('=')[1] } });
    expect(codeOf(reply)).toEqual([401, 'unauthenticated']);
  });

  test('a session ends with its token, however short that lives', async () => {
    const { token } = await api.token({ role: 'viewer', expiresAtMs: clock.now() + 60_000 });
    const { body } = await signIn(token);
    expect(Date.parse(body.endsAt)).toBe(clock.now() + 60_000);
    clock.advance(60_001);
    expect(codeOf(await browser.ask('GET', '/v1/me'))).toEqual([401, 'token_expired']);
  });
});
