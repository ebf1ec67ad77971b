import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ApiHarness, type ApiProcess } from '../testing/api-harness.js';
import { Browser } from '../testing/browser.js';

// Whole processes on real brokers, on machines that may be busy.
let harness: ApiHarness;
let one: ApiProcess;
let two: ApiProcess;
beforeAll(async () => {
  harness = await ApiHarness.open();
  [one, two] = await Promise.all([harness.startApi(), harness.startApi()]);
}, 120_000);
afterAll(() => harness.close(), 60_000);

const browserAt = (api: ApiProcess): Browser => new Browser(api.process.port('api'));

async function signIn(browser: Browser, token = harness.token): Promise<string> {
  const reply = await browser.ask('POST', '/v1/session', { body: { token } });
  expect([reply.status, reply.text.length > 0]).toEqual([201, true]);
  return reply.body.id as string;
}

test('a session counts in every process from its first moment, and is over in all when it ends', async () => {
  for (let i = 0; i < 10; i += 1) {
    const browser = browserAt(one);
    await signIn(browser);
    const other = browser.copy(two.process.port('api'));
    // At once: the other process may not have heard of it.
    expect((await other.ask('GET', '/v1/me')).status).toBe(200);
    expect((await browser.ask('DELETE', '/v1/session')).status).toBe(204);
    await eventually(async () => (await other.ask('GET', '/v1/me')).status === 401);
  }
}, 60_000);

test('a link that two processes are asked to open at the same moment signs one in', async () => {
  for (let i = 0; i < 5; i += 1) {
    const maker = browserAt(one);
    await signIn(maker);
    const { body } = await maker.ask('POST', '/v1/session/links', { body: {} });
    const code = (body.path as string).replace('/sign-in#code=', '');
    const replies = await Promise.all(
      [one, two, one, two].map((api) => browserAt(api).ask('POST', '/v1/session/exchange', { body: { code } })),
    );
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 401, 401, 401]);
  }
}, 60_000);

test('a session whose owner signs in again goes on in every process at once, under its new cookie alone', async () => {
  const browser = browserAt(one);
  await signIn(browser);
  for (let i = 0; i < 10; i += 1) {
    const other = browser.copy(two.process.port('api'));
    await eventually(async () => (await other.ask('GET', '/v1/me')).status === 200);
    const body = { token: harness.token };
    expect((await browser.ask('POST', '/v1/session/reauthenticate', { body })).status).toBe(200);
    expect((await browser.copy(two.process.port('api')).ask('GET', '/v1/me')).status).toBe(200);
  }
}, 60_000);

test('what a link opened ends in every process when the session that made it gets a new cookie', async () => {
  const browser = browserAt(one);
  await signIn(browser);
  for (let i = 0; i < 5; i += 1) {
    const { body } = await browser.ask('POST', '/v1/session/links', { body: {} });
    const code = (body.path as string).replace('/sign-in#code=', '');
    // At once: the other process may not have heard of the new cookie that the link was made under.
    const opened = browserAt(two);
    expect((await opened.ask('POST', '/v1/session/exchange', { body: { code } })).status).toBe(201);
    expect((await opened.ask('GET', '/v1/me')).status).toBe(200);
    const again = { token: harness.token };
    expect((await browser.ask('POST', '/v1/session/reauthenticate', { body: again })).status).toBe(200);
    await eventually(async () => (await opened.ask('GET', '/v1/me')).status === 401);
  }
}, 60_000);

test('a revoked token ends its sessions in all processes', async () => {
  const { text } = await one.ask('POST', '/v1/tokens', { body: { name: 'short', role: 'viewer' } });
  const made = JSON.parse(text) as { token: string; tokenId: string };
  const browser = browserAt(one);
  await signIn(browser, made.token);
  const other = browser.copy(two.process.port('api'));
  expect((await other.ask('GET', '/v1/me')).body.id).toBe(made.tokenId);
  expect((await two.ask('DELETE', `/v1/tokens/${made.tokenId}`)).status).toBe(204);
  for (const each of [browser, other]) await eventually(async () => (await each.ask('GET', '/v1/me')).status === 401);
}, 60_000);

test('sessions outlive a lost Redis and a killed API, and one that was ended stays ended', async () => {
  const browser = browserAt(one);
  await signIn(browser);
  const gone = browserAt(one);
  await signIn(gone);
  const stolen = gone.copy();
  expect((await gone.ask('DELETE', '/v1/session')).status).toBe(204);
  await harness.brokers.redis.kill9();
  expect((await browser.ask('GET', '/v1/me')).status).toBe(200);
  one.process.child.kill('SIGKILL');
  const again = await harness.startApi();
  const port = again.process.port('api');
  expect((await browser.copy(port).ask('GET', '/v1/session')).body).toMatchObject({ via: 'token' });
  expect((await stolen.copy(port).ask('GET', '/v1/me')).status).toBe(401);
  // So many were refused above that it may be told 429 first.
  await eventually(async () => (await stolen.copy(two.process.port('api')).ask('GET', '/v1/me')).status === 401);
}, 120_000);
