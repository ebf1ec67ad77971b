import { expect, test } from '@jest/globals';
import { ApiClient, ApiProblem, ConnectionError, type FetchLike } from '@muster/api-client';
import { OtherPersonError } from './client.js';
import { SentOnce } from './sent-once.js';

test('what is sent again after its answer was lost has the same key; other content, and what comes after an answer, has another', async () => {
  const keys: (string | undefined)[] = [];
  /** Takes every command, and loses its first answer. */
  const fetchLike: FetchLike = (_url, { headers }) => {
    keys.push(headers['idempotency-key']);
    if (keys.length === 1) return Promise.reject(new TypeError('the connection was reset'));
    return Promise.resolve(Response.json({ id: 'c1' }));
  };
  const client = new ApiClient({ url: 'https://muster.example', fetch: fetchLike, retry: { attempts: 1 } });
  const sentOnce = new SentOnce();
  const submit = (action: string) => {
    const body = { action, target: { selector: 'env=test' } };
    return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/commands', { body, idempotencyKey }));
  };
  await expect(submit('dns.flush')).rejects.toThrow('cannot reach');
  await submit('dns.flush');
  expect(keys[1]).toBe(keys[0]);
  await submit('dns.flush');
  await submit('other.action');
  expect(new Set(keys).size).toBe(3);
});

test('a body with a time is sent again as it was first made', async () => {
  const sentOnce = new SentOnce();
  const sent: unknown[] = [];
  let time = 0;
  const ask = (wait: string) =>
    sentOnce.sendMade(
      { wait },
      () => ({ wait, until: (time += 1) }),
      (body, key) => {
        sent.push([body.until, key]);
        return sent.length === 1 ? Promise.reject(new Error('the answer was lost')) : Promise.resolve();
      },
    );
  await expect(ask('1h')).rejects.toThrow('the answer was lost');
  await ask('1h');
  await ask('8h');
  expect(sent[1]).toEqual(sent[0]);
  expect(sent[2]).not.toEqual(sent[0]);
});

test('what was refused is made anew, and what may have been done is sent as it was, however often it is refused after that', async () => {
  const refused = new ApiProblem(429, { code: 'rate_limited' });
  const full = new ApiProblem(503, { code: 'storage_full', carriedOut: false });
  const another = new OtherPersonError('somebody else has signed in', { cause: refused });
  const ends = [refused, full, another, new ConnectionError('cut', 'cut'), refused, undefined, undefined];
  const sentOnce = new SentOnce();
  const sent: (readonly [number, string])[] = [];
  let time = 0;
  const unclear: boolean[] = [];
  for (const end of ends) {
    await sentOnce
      .sendMade(
        '1h',
        () => (time += 1),
        (until, key) => {
          sent.push([until, key]);
          return end === undefined ? Promise.resolve() : Promise.reject(end);
        },
      )
      .catch(() => undefined);
    unclear.push(sentOnce.isUnclear('1h'));
  }
  expect(sent.map(([until]) => until)).toEqual([1, 2, 3, 4, 4, 4, 5]);
  expect(new Set(sent.map(([, key]) => key)).size).toBe(5);
  expect(unclear).toEqual([false, false, false, true, true, false, false]);
});
