import type { lookup } from 'node:dns';
import { describe, expect, test } from '@jest/globals';
import { trustedProxies } from '@muster/runtime';
import { Destinations, FORBIDDEN_ADDRESS } from './destination.js';

const lookupOf = (addresses: string[]) =>
  ((_: string, __: object, callback: (error: null, found: object[]) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as unknown as typeof lookup;

const resolve = (addresses: string[], url = 'https://name.example', allowed: string[] = []) =>
  new Promise<unknown>((done) => {
    const destinations = new Destinations(trustedProxies(allowed), lookupOf(addresses));
    const look = destinations.lookupFor(new URL(url));
    look('name.example', { all: true }, (error, found) => done(error?.code ?? found));
  });

describe('where webhooks may go', () => {
  test.each([
    ...[
      '127.0.0.1',
      '10.1.2.3',
      '192.168.0.1',
      '172.31.255.255',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '224.0.0.1',
    ],
    ...[
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      'ff02::1',
    ],
  ])('a name that leads to %s reaches nothing', async (address) => {
    expect(await resolve([address])).toBe(FORBIDDEN_ADDRESS);
    expect(await resolve(['93.184.216.34', address])).toBe(FORBIDDEN_ADDRESS);
    const literal = `https://${address.includes(':') ? `[${address}]` : address}/`;
    const destinations = new Destinations(trustedProxies([]));
    expect(() => destinations.check(literal)).toThrow('not one that webhooks may be posted to');
    expect(destinations.permitsLiteral(new URL(literal))).toBe(false);
  });

  test.each(['http://2130706433/', 'https://0x7f.1/', 'https://127.1/', 'https://[::ffff:7f00:1]/'])(
    'an address in another form is the same address: %s',
    (url) => {
      expect(() => new Destinations(trustedProxies(['10.0.0.0/8'])).check(url)).toThrow('webhooks may be posted to');
    },
  );

  test('public addresses are reached by https alone', async () => {
    expect(await resolve(['93.184.216.34', '2606:2800:220:1::1'])).toHaveLength(2);
    expect(await resolve(['93.184.216.34'], 'http://name.example', ['10.0.0.0/8'])).toBe(FORBIDDEN_ADDRESS);
    expect(() => new Destinations(trustedProxies([])).check('http://name.example/')).toThrow(
      'must start with https://',
    );
  });

  test('allowed networks are reached by either scheme', async () => {
    expect(await resolve(['10.1.2.3'], 'http://name.example', ['10.0.0.0/8'])).toHaveLength(1);
    expect(await resolve(['10.1.2.3'], 'https://name.example', ['10.0.0.0/8'])).toHaveLength(1);
    expect(await resolve(['10.1.2.3', '192.168.1.1'], 'https://name.example', ['10.0.0.0/8'])).toBe(FORBIDDEN_ADDRESS);
  });
});
