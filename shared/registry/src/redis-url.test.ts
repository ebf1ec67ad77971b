import { expect, test } from '@jest/globals';
import type { RedisOptions } from 'ioredis';
import { parseRedisUrl } from './redis-url.js';

test.each([
  ['redis://127.0.0.1:6380', false, [{ host: '127.0.0.1', port: 6380 }], {}],
  ['redis://cache', false, [{ host: 'cache', port: 6379 }], {}],
  ['redis://cache/', false, [{ host: 'cache', port: 6379 }], {}],
  ['redis://cache:7000/3', false, [{ host: 'cache', port: 7000 }], { db: 3 }],
  ['redis://cache:7000/12/', false, [{ host: 'cache', port: 7000 }], { db: 12 }],
  ['redis://[::1]:7000', false, [{ host: '::1', port: 7000 }], {}],
  ['redis://:secret@cache', false, [{ host: 'cache', port: 6379 }], { password: 'secret' }],
  ['redis://ann:s%40cret@cache', false, [{ host: 'cache', port: 6379 }], { username: 'ann', password: 's@cret' }],
  ['redis://ann@cache', false, [{ host: 'cache', port: 6379 }], { username: 'ann' }],
  ['rediss://cache', false, [{ host: 'cache', port: 6379 }], { tls: {} }],
  [
    'redis-cluster://one:7001,two:7002,[::1]',
    true,
    [
      { host: 'one', port: 7001 },
      { host: 'two', port: 7002 },
      { host: '::1', port: 6379 },
    ],
    {},
  ],
  ['rediss-cluster://:secret@one:7001', true, [{ host: 'one', port: 7001 }], { tls: {}, password: 'secret' }],
])('%s', (url, isCluster, nodes, login) => {
  const { options, ...address } = parseRedisUrl(url);
  expect(address).toEqual({ isCluster, nodes });
  const { username, password, db, tls } = options as RedisOptions;
  expect(JSON.parse(JSON.stringify({ username, password, db, tls }))).toEqual(login);
});

test('a lost command is never sent again, and no call waits long', () => {
  expect(parseRedisUrl('redis://cache').options).toMatchObject({
    ...{ connectTimeout: 3_000, commandTimeout: 3_000, disconnectTimeout: 250 },
    ...{ maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  });
});

test.each([
  '',
  'cache:6379',
  'http://cache',
  'redis:/cache',
  'redis://',
  'redis://cache/x',
  'redis://cache/1/2',
  'xredis://cache',
  'redis-sentinel://cache',
  'redis-clusters://cache',
])('%j is no URL of Redis', (url) => {
  expect(() => parseRedisUrl(url)).toThrow(RangeError);
});
