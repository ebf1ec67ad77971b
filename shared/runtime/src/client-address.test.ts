import { describe, expect, test } from '@jest/globals';
import { addressBlock, clientAddress, trustedProxies } from './client-address.js';

describe('the caller’s address', () => {
  const proxies = trustedProxies(['10.0.0.0/8', '::1', 'fe80::/10']);
  test.each([
    ['203.0.113.9', '1.2.3.4', '203.0.113.9'],
    ['10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4, 10.9.9.9', '1.2.3.4'],
    ['10.0.0.1', 'nonsense', '10.0.0.1'],
    ['10.0.0.1', '6.6.6.6, ', '10.0.0.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['::ffff:10.0.0.1', '::ffff:1.2.3.4', '1.2.3.4'],
    ['::1', '2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', '2001:db8::1', '2001:db8::1'],
    [undefined, '1.2.3.4', 'unknown'],
  ])('of a peer at %s that forwards for %s is %s', (peer, forwarded, address) => {
    expect(clientAddress(peer, forwarded, proxies)).toBe(address);
  });

  test('is the peer’s where no proxy is trusted', () => {
    expect(clientAddress('10.0.0.1', '1.2.3.4', trustedProxies([]))).toBe('10.0.0.1');
  });

  test('a network that is none is refused', () => {
    for (const network of ['10.0.0.0/33', 'x', '::/129', '10.0.0.0/'])
      expect(() => trustedProxies([network])).toThrow(RangeError);
  });
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
  ['2001:0db8:0000:0000:0001:0002:0003:0004', '2001:db8:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['unknown', 'unknown'],
])('%s is limited as %s', (address, block) => {
  expect(addressBlock(address)).toBe(block);
});
