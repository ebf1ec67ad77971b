import { describe, expect, test } from '@jest/globals';
import { testHost, playback, runAction } from '../testing/action-harness.js';
import { formatNetworkAddress, parseNetworkAddress } from './network-address.js';
import { isolationRuleset } from './nft-ruleset.js';
import { parseNameServers, resolveGateways } from './allow-list.js';

describe('firewall addresses', () => {
  test('are written in canonical form', () => {
    const canonical = (text: string): string | undefined => {
      const address = parseNetworkAddress(text);
      return address && formatNetworkAddress(address);
    };
    expect(canonical('192.0.2.1')).toBe('192.0.2.1');
    expect(canonical('192.0.2.0/24')).toBe('192.0.2.0/24');
    expect(canonical('192.0.2.1/32')).toBe('192.0.2.1');
    expect(canonical('2001:DB8:0:0::1')).toBe('2001:db8::1');
    expect(canonical('2001:db8::/32')).toBe('2001:db8::/32');
    for (const text of [
      '',
      'x',
      '1.2.3',
      '1.2.3.4/33',
      '1.2.3.4/',
      '1.2.3.4/08',
      'fe80::1%eth0',
      '::/129',
      '1.2.3.4; drop',
    ]) {
      expect(canonical(text)).toBeUndefined();
    }
    expect(canonical('1.2.3.4 }\ndelete table inet x')).toBeUndefined();
    expect(canonical('1.2.3.4\n')).toBeUndefined();
  });

  test('of gateways are resolved by name, without duplicates', async () => {
    const lookup = (name: string): Promise<string[]> =>
      name === 'gw' ? Promise.resolve(['192.0.2.1', '2001:db8::1', 'nonsense']) : Promise.reject(new Error('unknown'));
    const peers = [
      { host: 'gw', port: 443 },
      { host: '192.0.2.1', port: 443 },
      { host: '::ffff:192.0.2.2', port: 443 },
      { host: '[2001:db8::2]', port: 70_000 },
      { host: 'nobody', port: 443 },
    ];
    const found = await resolveGateways(peers, lookup);
    expect(found.map(({ address, port }) => [address.address, port])).toEqual([
      ['192.0.2.1', 443],
      ['2001:db8::1', 443],
      ['192.0.2.2', 443],
    ]);
  });

  test('of name servers are read from resolv.conf', () => {
    const text =
      '# nameserver 9.9.9.9\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver x\noptions ndots:1\n';
    expect(parseNameServers(text).map(({ address }) => address)).toEqual(['192.0.2.53', 'fe80::1']);
  });
});

describe('the nftables rules', () => {
  test('count as present when nft fails', async () => {
    const look = ['nft', 'list', 'table', 'inet', 'muster_isolation'];
    const denied = { code: 1, stderr: 'Operation not permitted (you must be root)\n' };
    const run = playback([
      { argv: look, ...denied },
      { argv: ['nft', 'delete', 'table', 'inet', 'muster_isolation'], ...denied },
    ]);
    expect(await runAction(testHost({ dataDir: '/nowhere', run }), 'host.release')).toMatchObject({ state: 'failed' });
    const absent = playback([{ argv: look, code: 1, stderr: 'Error: No such file or directory\n' }]);
    expect(await runAction(testHost({ dataDir: '/nowhere', run: absent }), 'host.release')).toMatchObject({
      code: 'unchanged',
    });
    expect(absent.rest).toEqual([]);
  });

  test('replace the table in one transaction and expire', () => {
    const allowed = [parseNetworkAddress('192.0.2.0/24'), parseNetworkAddress('2001:db8::7')].filter(
      (one) => one !== undefined,
    );
    const rules = isolationRuleset({ gateways: [], resolvers: [], allowed }, 90);
    expect(rules.split('\n').slice(0, 3)).toEqual([
      'add table inet muster_isolation',
      'delete table inet muster_isolation',
      'table inet muster_isolation {',
    ]);
    expect(rules).toContain('elements = { ipv4 timeout 90s, ipv6 timeout 90s }');
    expect(rules).toContain('elements = { 192.0.2.0/24 }');
    expect(rules).toContain('elements = { 2001:db8::7 }');
    expect(() => isolationRuleset({ gateways: [], resolvers: [], allowed }, 0)).toThrow(RangeError);
  });

  test('are not applied without nft, or when no gateway has an address', async () => {
    const noProgram = playback([{ argv: ['nft', 'list', 'tables'], code: 127 }]);
    const gatewayPeers = (): { host: string; port: number }[] => [{ host: '192.0.2.1', port: 443 }];
    const result = await runAction(testHost({ dataDir: '/nowhere', run: noProgram, gatewayPeers }), 'host.isolate');
    expect(result).toMatchObject({
      state: 'unsupported',
      code: 'no_firewall',
      message: expect.stringContaining('nftables'),
    });
    const there = playback([{ argv: ['nft', 'list', 'tables'] }]);
    expect(await runAction(testHost({ dataDir: '/nowhere', run: there }), 'host.isolate')).toMatchObject({
      state: 'failed',
      code: 'no_gateway',
    });
  });
});
