import { PERSON_HEADER, personText } from '@muster/api-contract';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { client } from '../api/client.js';
import { askForSignIns, endWaitingAs, giveUpWaiting, keyOf, notePerson } from './reauthentication.js';

const ANN = { org: 'default', kind: 'token', id: 'ann' };
const BOB = { org: 'default', kind: 'token', id: 'bob' };

/** Answers as the API does, which refuses the next `refusals` calls; browser tests have the API itself. */
let refusals = 0;
let taken = 0;
let onRefused: () => void = () => undefined;
/** Whom calls were meant for. */
let meant: (string | null)[] = [];
const fetchAsIs = globalThis.fetch;
beforeAll(() => {
  globalThis.fetch = (_url, init) => {
    meant.push(new Headers(init?.headers).get(PERSON_HEADER));
    const isRefused = refusals > 0;
    refusals -= isRefused ? 1 : 0;
    taken += isRefused ? 0 : 1;
    if (isRefused) onRefused();
    const body = JSON.stringify(isRefused ? { code: 'reauthentication_required' } : { items: [] });
    const type = isRefused ? 'application/problem+json' : 'application/json';
    return Promise.resolve(new Response(body, { status: isRefused ? 403 : 200, headers: { 'content-type': type } }));
  };
  askForSignIns();
});
afterAll(() => {
  globalThis.fetch = fetchAsIs;
});

/** A call that is refused; resolves with how it ended once `then` was done in its wait. */
async function called(then: () => void): Promise<string> {
  refusals = 1;
  taken = 0;
  const ask = client.asker;
  const begun = new Promise<void>((resolve) => {
    client.asker = {
      person: () => ask?.person(),
      wait: (by) => {
        resolve();
        return ask?.wait(by) ?? Promise.resolve('given_up');
      },
    };
  });
  const ended = client.call('GET /v1/webhooks').then(
    () => `sent ${taken}`,
    (error: Error) => `${error.name} ${taken}`,
  );
  await begun;
  client.asker = ask;
  then();
  return await ended;
}

test('what waits goes on when its person signs in, and fails when they do not', async () => {
  notePerson(ANN);
  expect(await called(() => endWaitingAs(ANN))).toBe('sent 1');
  expect(await called(giveUpWaiting)).toBe('ApiProblem 0');
});

test('what one person waits with is never sent as another, also where the page has got to know that one first', async () => {
  notePerson(ANN);
  const afterwards = [() => endWaitingAs(BOB), () => notePerson(BOB)];
  for (const then of afterwards) {
    notePerson(ANN);
    const ended = await called(() => {
      then();
      endWaitingAs(BOB);
    });
    expect(ended).toBe('OtherPersonError 0');
  }
});

test('a call under way while somebody else signs in is still of who made it', async () => {
  notePerson(ANN);
  onRefused = () => notePerson(BOB);
  expect(await called(() => endWaitingAs(BOB))).toBe('OtherPersonError 0');
  onRefused = () => undefined;
});

test('one id in two orgs is two persons', async () => {
  notePerson(ANN);
  expect(await called(() => endWaitingAs({ ...ANN, org: 'other' }))).toBe('OtherPersonError 0');
});

test('each call says whom it is meant for, also when it is made again; who is signed in is asked without', async () => {
  notePerson(ANN);
  meant = [];
  expect(await called(() => endWaitingAs(ANN))).toBe('sent 1');
  await client.call('GET /v1/me');
  expect(meant).toEqual([personText(ANN), personText(ANN), null]);
  const odd = { org: 'a/b', kind: 'oidc', id: 'jörg @x' };
  expect(keyOf(odd)).toBe(personText(odd));
});

test('a call that the API refuses because somebody else has signed in says so, and nothing else', async () => {
  const before = globalThis.fetch;
  const problem = { status: 403, headers: { 'content-type': 'application/problem+json' } };
  globalThis.fetch = () => Promise.resolve(new Response('{"code":"other_person"}', problem));
  await expect(client.call('GET /v1/webhooks')).rejects.toThrow('Somebody else has signed in');
  globalThis.fetch = before;
});
