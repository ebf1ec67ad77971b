import { expect, test } from '@jest/globals';
import { Secret } from '@muster/runtime';
import { natsAddress, redisUrlFor } from './broker-urls.js';

test('a password goes to every server, with the name of the service as user', () => {
  const natsUrls = ['nats://one:4222', 'tls://old:login@two:4222'];
  const natsPassword = new Secret('p/w@1');
  expect(natsAddress({ natsUrls, natsPassword }, 'gateway').servers).toEqual([
    'nats://gateway:p%2Fw%401@one:4222',
    'tls://gateway:p%2Fw%401@two:4222',
  ]);
  expect(natsAddress({ natsUrls, natsPassword, natsUser: 'edge' }, 'gateway').servers[0]).toMatch(/^nats:\/\/edge:/);
});

test.each([
  ['redis://one:1/3', 'redis://default:pw@one:1/3'],
  ['rediss-cluster://a:b@one:1,two:2', 'rediss-cluster://default:pw@one:1,two:2'],
])('the login goes into %s', (redisUrl, expected) => {
  expect(redisUrlFor({ redisUrl, redisUser: 'default', redisPassword: new Secret('pw') })).toBe(expected);
});

test('without a password the URLs are as they were set', () => {
  const [natsUrls, redisUrl] = [['nats://a:b@one'], 'redis://:c@two'];
  expect(natsAddress({ natsUrls, natsUser: 'x' }, 'api').servers).toBe(natsUrls);
  expect(redisUrlFor({ redisUrl, redisUser: 'default' })).toBe(redisUrl);
});

test('what vouches for NATS goes with its address', () => {
  const natsUrls = ['tls://nats.example:4222'];
  expect(natsAddress({ natsUrls, natsCa: new Secret('pem') }, 'api')).toEqual({ servers: natsUrls, ca: 'pem' });
  expect(natsAddress({ natsUrls }, 'api')).toEqual({ servers: natsUrls });
});
