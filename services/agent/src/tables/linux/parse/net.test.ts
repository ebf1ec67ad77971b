import { describe, expect, it } from '@jest/globals';
import {
  FAMILY,
  formatIpv6,
  parseArp,
  parseInetSockets,
  parseIpv4Routes,
  parseIpv6Routes,
  parseUnixSockets,
} from './net.js';

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20101 1 0000000000000000 100 0 0 10 0
   1: 0F02000A:0016 0202000A:C7B2 01 00000000:00000000 02:000A7D8C 00000000     0        0 20102 4 0000000000000000 20 4 30 10 -1
   2: 0100007F:A8DB 0100007F:C18C 06 00000000:00000000 03:000000E0 00000000     0        0 0 3 0000000000000000
`;

const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 31001 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000F02000A:01BB 0000000000000000FFFF00000202000A:D431 01 00000000:00000000 00:00000000 00000000   998        0 31002 1 0000000000000000 20 4 1 10 -1
`;

const UDP = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  112: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 18001 2 0000000000000000 0
`;

const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 16001 /run/dbus/system_bus_socket
0000000000000000: 00000003 00000000 00000000 0001 03 16002
0000000000000000: 00000002 00000000 00000000 0002 01 16003 /run/systemd/journal/dev log
0000000000000000: 00000003 00000000 00000000 0001 03 16004 @abstract
`;

describe('sockets', () => {
  it('reads TCP over IPv4', () => {
    expect(parseInetSockets(TCP, FAMILY.inet, 6)).toEqual([
      expect.objectContaining({
        inode: 20_101,
        localAddress: '0.0.0.0',
        localPort: 22,
        state: 'LISTEN',
        listening: true,
      }),
      expect.objectContaining({
        localAddress: '10.0.2.15',
        remoteAddress: '10.0.2.2',
        remotePort: 51_122,
        state: 'ESTABLISHED',
        listening: false,
      }),
      expect.objectContaining({ inode: 0, state: 'TIME_WAIT' }),
    ]);
  });

  it('reads TCP over IPv6, including mapped addresses', () => {
    expect(parseInetSockets(TCP6, FAMILY.inet6, 6)).toEqual([
      expect.objectContaining({ localAddress: '::1', localPort: 8080, remoteAddress: '::', family: 10 }),
      expect.objectContaining({
        localAddress: '::ffff:10.0.2.15',
        remoteAddress: '::ffff:10.0.2.2',
        remotePort: 54_321,
      }),
    ]);
  });

  it('a UDP socket without a peer counts as listening', () => {
    expect(parseInetSockets(UDP, FAMILY.inet, 17)).toEqual([
      expect.objectContaining({ localAddress: '127.0.0.53', localPort: 53, state: '', listening: true, protocol: 17 }),
    ]);
  });

  it('reads Unix sockets with and without a path', () => {
    expect(parseUnixSockets(UNIX).map(({ inode, path, listening }) => ({ inode, path, listening }))).toEqual([
      { inode: 16_001, path: '/run/dbus/system_bus_socket', listening: true },
      { inode: 16_002, path: '', listening: false },
      { inode: 16_003, path: '/run/systemd/journal/dev log', listening: true },
      { inode: 16_004, path: '@abstract', listening: false },
    ]);
  });

  it('skips unknown lines', () => {
    expect(parseInetSockets('header\nnonsense\n', FAMILY.inet, 6)).toEqual([]);
    expect(parseUnixSockets('')).toEqual([]);
  });
});

describe('addresses and routes', () => {
  it('formats IPv6 as in RFC 5952', () => {
    const format = (groups: number[]) => formatIpv6(groups.flatMap((group) => [group >> 8, group & 255]));
    expect(format([0x2001, 0xdb8, 0, 0, 1, 0, 0, 1])).toBe('2001:db8::1:0:0:1');
    expect(format([0, 0, 0, 0, 0, 0, 0, 0])).toBe('::');
    expect(format([0xfe80, 0, 0, 0, 0, 0, 0, 0])).toBe('fe80::');
    expect(format([1, 0, 2, 3, 4, 5, 6, 7])).toBe('1:0:2:3:4:5:6:7');
  });

  it('reads resolved ARP entries', () => {
    const arp = `IP address       HW type     Flags       HW address            Mask     Device
10.0.2.2         0x1         0x2         52:55:0a:00:02:02     *        eth0
10.0.2.9         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.2.3         0x1         0x6         52:55:0a:00:02:03     *        eth0
`;
    expect(parseArp(arp)).toEqual([
      { address: '10.0.2.2', mac: '52:55:0a:00:02:02', interface: 'eth0', permanent: '0' },
      { address: '10.0.2.3', mac: '52:55:0a:00:02:03', interface: 'eth0', permanent: '1' },
    ]);
  });

  it('reads IPv4 routes', () => {
    const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0202000A	0003	0	0	100	00000000	0	0	0
eth0	0002000A	00000000	0001	0	0	100	00FFFFFF	1400	0	0
`;
    expect(parseIpv4Routes(table)).toEqual([
      {
        destination: '0.0.0.0',
        netmask: 0,
        gateway: '10.0.2.2',
        flags: 3,
        metric: 100,
        mtu: 0,
        interface: 'eth0',
        type: 'gateway',
      },
      {
        destination: '10.0.2.0',
        netmask: 24,
        gateway: '',
        flags: 1,
        metric: 100,
        mtu: 1400,
        interface: 'eth0',
        type: 'gateway',
      },
    ]);
  });

  it('reads IPv6 routes', () => {
    const table = `fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000002 00000400 00000002 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
`;
    expect(parseIpv6Routes(table)).toEqual([
      expect.objectContaining({ destination: 'fe80::', netmask: 64, gateway: '', metric: 256, type: 'gateway' }),
      expect.objectContaining({ destination: '::', netmask: 0, gateway: 'fe80::2', metric: 1024, interface: 'eth0' }),
      expect.objectContaining({ destination: '::1', netmask: 128, type: 'local', interface: 'lo' }),
    ]);
  });
});
