import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { parseIpAddresses, parseIpNeighbours, parseIpRoutes } from './ip-json.js';

/** A network namespace of its own takes root. */
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

const SCRIPT = `
ip link set lo up
ip link add a0 type veth peer name a1
ip link add b0 type veth peer name b1
ip link set b0 up
ip addr add 10.20.0.1 peer 10.20.0.9/32 dev a0
ip addr add 192.0.2.5/26 broadcast 192.0.2.63 dev b0
ip -6 addr add 2001:db8::5/52 dev a0
exec ip -json address show`;

asRoot('addresses in a network of its own', () => {
  it('addresses of interfaces that are down or without a carrier, and of point-to-point links, as ip has them', () => {
    const rows = parseIpAddresses(
      execFileSync('/usr/bin/unshare', ['-n', '/bin/sh', '-ec', SCRIPT], { encoding: 'utf8' }),
    );
    const row = (name: string, address: string, mask: string) => ({ interface: name, address, mask, type: 'unknown' });
    expect(rows).toEqual(
      expect.arrayContaining([
        { ...row('lo', '127.0.0.1', '255.0.0.0'), broadcast: '', point_to_point: '' },
        { ...row('lo', '::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'), broadcast: '', point_to_point: '' },
        { ...row('a0', '10.20.0.1', '255.255.255.255'), broadcast: '', point_to_point: '10.20.0.9' },
        { ...row('b0', '192.0.2.5', '255.255.255.192'), broadcast: '192.0.2.63', point_to_point: '' },
        { ...row('a0', '2001:db8::5', 'ffff:ffff:ffff:f000::'), broadcast: '', point_to_point: '' },
      ]),
    );
  });
});

const NEIGHBOURS = `
ip link add a0 type veth peer name a1
ip link set a0 up
ip link set a1 up
ip addr add 192.0.2.5/26 dev a0
ip -6 addr add 2001:db8::5/64 dev a0 nodad
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev a0 nud permanent
ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:0a dev a0 nud permanent
ip neigh add 2001:db8::a lladdr 02:00:00:00:00:0b dev a0 nud reachable
ip neigh add 2001:db8::b dev a0 nud failed
exec ip -json neighbour show`;

asRoot('neighbours in a network of its own', () => {
  it('of both families, those that are known', () => {
    const json = execFileSync('/usr/bin/unshare', ['-n', '/bin/sh', '-ec', NEIGHBOURS], { encoding: 'utf8' });
    const row = (address: string, last: string, permanent: string) => ({
      ...{ address, mac: `02:00:00:00:00:${last}`, interface: 'a0', permanent },
    });
    const rows = parseIpNeighbours(json);
    expect(rows).toHaveLength(3);
    expect(rows).toEqual(
      expect.arrayContaining([
        row('192.0.2.9', '09', '1'),
        row('2001:db8::9', '0a', '1'),
        row('2001:db8::a', '0b', '0'),
      ]),
    );
  });
});

const ROUTES = `
ip link set lo up
ip link add a0 type veth peer name a1
ip link set a0 up
ip addr add 192.0.2.5/26 dev a0
ip route add 198.51.100.0/24 via 192.0.2.1 metric 5 mtu 1300 src 192.0.2.5
ip route add 203.0.113.7 via 192.0.2.2 table 100 onlink dev a0
ip route add default nexthop via 192.0.2.3 nexthop via 192.0.2.4
ip route add blackhole 198.18.0.0/15
exec ip -json -family inet route show table all`;

asRoot('routes in a network of its own', () => {
  it('routes of all tables, one row for each next hop', () => {
    const json = execFileSync('unshare', ['-n', 'sh', '-ec', ROUTES], { encoding: 'utf8' });
    const rows = parseIpRoutes(json, 'inet');
    const hop = { source: '', flags: 16, interface: 'a0', mtu: 0, metric: 0, type: 'gateway', hopcount: 0 };
    expect(rows).toEqual(
      expect.arrayContaining([
        {
          ...hop,
          destination: '198.51.100.0',
          netmask: 24,
          gateway: '192.0.2.1',
          metric: 5,
          mtu: 1300,
          source: '192.0.2.5',
        },
        { ...hop, destination: '203.0.113.7', netmask: 32, gateway: '192.0.2.2', flags: 20 },
        { ...hop, destination: '0.0.0.0', netmask: 0, gateway: '192.0.2.3' },
        { ...hop, destination: '0.0.0.0', netmask: 0, gateway: '192.0.2.4' },
        expect.objectContaining({ destination: '198.18.0.0', netmask: 15, type: 'other' }),
        expect.objectContaining({ destination: '192.0.2.5', type: 'local', netmask: 32 }),
      ]),
    );
  });
});
