import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ApiHarness, type ApiProcess } from '../testing/api-harness.js';
import { Browser } from '../testing/browser.js';
import { StreamReader } from '../testing/stream-reader.js';

// Whole processes on real brokers, on machines that may be busy.
let harness: ApiHarness;
let one: ApiProcess;
let two: ApiProcess;
beforeAll(async () => {
  harness = await ApiHarness.open();
  [one, two] = await Promise.all([harness.startApi(), harness.startApi()]);
}, 120_000);
afterAll(() => harness.close(), 60_000);

test('a stream is changed through any process, and goes on in another one when its own is killed', async () => {
  const port = (api: ApiProcess): number => api.process.port('api');
  const browser = new Browser(port(one));
  expect((await browser.ask('POST', '/v1/session', { body: { token: harness.token } })).status).toBe(201);
  const other = browser.copy(port(two));
  const headersOf = (from: Browser) => ({
    cookie: [...from.cookies].map((pair) => pair.join('=')).join('; '),
    'muster-request': 'console',
  });
  const reader = await StreamReader.open(`http://127.0.0.1:${port(one)}`, headersOf(browser), []);
  const add = [{ id: 'q', kind: 'queries' }];
  // The process that does not have the stream passes it on.
  expect((await other.ask('POST', `/v1/stream/${reader.id}`, { body: { add } })).body).toEqual({
    subscriptions: ['q'],
  });
  await eventually(() => reader.names('q').includes('began'));
  const start = () => two.ask('POST', '/v1/queries', { body: { sql: 'SELECT name, pid FROM processes' } });
  expect((await start()).status).toBe(201);
  await eventually(() => reader.names('q').includes('query'));
  const after = reader.of('q').at(-1)?.seq;

  one.process.child.kill('SIGKILL');
  await reader.ended;
  expect((await other.ask('POST', `/v1/stream/${reader.id}`, { body: { remove: ['q'] } })).status).toBe(404);
  expect((await start()).status).toBe(201);
  const again = await StreamReader.open(`http://127.0.0.1:${port(two)}`, headersOf(other), [{ ...add[0], after }]);
  await eventually(() => again.names('q').filter((name) => name === 'query').length === 1);
  await again.close();
}, 120_000);
