import { expect, test } from '@jest/globals';
import { Secret } from '@muster/runtime';
import { natsServersFor, redisUrlFor } from './broker-urls.js';

test('a password goes to every server, with the name of the service as user', () => {
  const natsUrls = ['nats://one:4222', 'tls://old:login@two:4222'];
  const natsPassword = new Secret('p/w@1');
  expect(natsServersFor({ natsUrls, natsPassword }, 'gateway')).toEqual([
    'nats://gateway:p%2Fw%401@one:4222',
    'tls://gateway:p%2Fw%401@two:4222',
  ]);
  expect(natsServersFor({ natsUrls, natsPassword, natsUser: 'edge' }, 'gateway')[0]).toMatch(/^nats:\/\/edge:/);
});

test.each([
  ['redis://one:1/3', 'redis://default:pw@one:1/3'],
  ['rediss-cluster://a:b@one:1,two:2', 'rediss-cluster://default:pw@one:1,two:2'],
])('the login goes into %s', (redisUrl, expected) => {
  expect(redisUrlFor({ redisUrl, redisUser: 'default', redisPassword: new Secret('pw') })).toBe(expected);
});

test('without a password the URLs are as they were set', () => {
  const [natsUrls, redisUrl] = [['nats://a:b@one'], 'redis://:c@two'];
  expect(natsServersFor({ natsUrls, natsUser: 'x' }, 'api')).toBe(natsUrls);
  expect(redisUrlFor({ redisUrl, redisUser: 'default' })).toBe(redisUrl);
});
