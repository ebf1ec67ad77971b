import { networkInterfaces } from 'node:os';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { readIp } from './ip-program.js';
import { parseIpAddresses, parseIpNeighbours, parseIpRoutes } from './parse/ip-json.js';
import { parseArp, parseIpv4Routes, parseIpv6Routes } from './parse/net.js';

const INTERFACES = '/sys/class/net';

const COUNTERS = {
  ipackets: 'rx_packets',
  opackets: 'tx_packets',
  ibytes: 'rx_bytes',
  obytes: 'tx_bytes',
  ierrors: 'rx_errors',
  oerrors: 'tx_errors',
  idrops: 'rx_dropped',
  odrops: 'tx_dropped',
  collisions: 'collisions',
} as const;

/** Neighbours, interfaces and routes. */
export const NETWORK_COLLECTORS: readonly Collector[] = [
  {
    table: 'arp_cache',
    collect(system, request) {
      const listed = system.live
        ? readIp(system, request, {
            args: ['neighbour', 'show'],
            parse: parseIpNeighbours,
            lacks: 'neighbours of IPv6 are missing',
          })
        : undefined;
      return listed ?? parseArp(system.text('/proc/net/arp') ?? '');
    },
  },
  {
    table: 'interface_addresses',
    *collect(system, request) {
      if (!system.live) return;
      // From netlink: also those of interfaces that are down or without a carrier, and the other end of a point-to-point one.
      const listed = readIp(system, request, {
        args: ['address', 'show'],
        parse: parseIpAddresses,
        lacks: 'addresses of interfaces that are down or without a carrier are missing',
      });
      if (listed !== undefined) return yield* listed;
      for (const [name, addresses] of Object.entries(networkInterfaces())) {
        for (const one of addresses ?? []) {
          const { netmask, family, internal } = one;
          const zone = one.family === 'IPv6' && one.scopeid !== 0 ? `%${name}` : '';
          const broadcast = family === 'IPv4' && !internal ? broadcastOf(one.address, netmask) : '';
          yield {
            interface: name,
            address: `${one.address}${zone}`,
            mask: netmask,
            broadcast,
            point_to_point: '',
            type: 'unknown',
          };
        }
      }
    },
  },
  {
    table: 'interface_details',
    *collect(system) {
      for (const name of system.list(INTERFACES)) {
        // The folder also contains plain files, such as those of the bonding driver.
        if (system.exists(`${INTERFACES}/${name}/ifindex`)) yield readInterface(system, name);
      }
    },
  },
  {
    table: 'routes',
    *collect(system, request) {
      yield* routesOf(system, request, 'inet');
      yield* routesOf(system, request, 'inet6');
    },
  },
];

/** All tables, from netlink. /proc has the main one for IPv4 only, no preferred source, and flags of another kind. */
function routesOf(system: System, request: CollectRequest, family: 'inet' | 'inet6'): readonly TableRow[] {
  const listed = system.live
    ? readIp(system, request, {
        args: ['-family', family, 'route', 'show', 'table', 'all'],
        parse: (json) => parseIpRoutes(json, family),
        lacks: `${family === 'inet' ? 'routes of other tables than the main one' : 'sources and kinds of IPv6 routes'} are missing`,
      })
    : undefined;
  if (listed !== undefined) return listed;
  const found =
    family === 'inet'
      ? parseIpv4Routes(system.text('/proc/net/route') ?? '')
      : parseIpv6Routes(system.text('/proc/net/ipv6_route') ?? '');
  return found.map((route) => ({ ...route, flags: 0, source: '', hopcount: 0 }));
}

/** The last address of the network. Empty for /31 and /32. */
function broadcastOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  if ((mask[3] ?? 255) >= 254) return '';
  const parts = address.split('.').map(Number);
  return parts.map((part, index) => (part | (~(mask[index] ?? 255) & 255)) & 255).join('.');
}

function readInterface(system: System, name: string): TableRow {
  const base = `${INTERFACES}/${name}`;
  const number = (file: string): number | undefined => {
    const word = system.word(`${base}/${file}`);
    return word === undefined ? undefined : Number(word);
  };
  const counters = Object.entries(COUNTERS).map(([column, file]) => [column, number(`statistics/${file}`)] as const);
  return {
    interface: name,
    mac: system.word(`${base}/address`),
    type: number('type'),
    mtu: number('mtu'),
    metric: 0,
    flags: deviceFlags(system, base),
    last_change: -1,
    // The kernel writes -1, or nothing at all, where there is none.
    link_speed: Math.max(0, number('speed') ?? 0),
    pci_slot: pciSlot(system, base),
    ...Object.fromEntries(counters),
  };
}

/** Bits that the kernel adds when a program asks for the flags (netdevice(7)); the file lacks them. */
const STATE_FLAGS = { up: 0x1, running: 0x40, lowerUp: 0x1_0000, dormant: 0x2_0000 } as const;

function deviceFlags(system: System, base: string): number | undefined {
  const word = system.word(`${base}/flags`);
  if (word === undefined) return undefined;
  const flags = Number(word);
  if ((flags & STATE_FLAGS.up) === 0) return flags;
  const isSet = (file: string): boolean => system.word(`${base}/${file}`) === '1';
  const isOperational = ['up', 'unknown'].includes(system.word(`${base}/operstate`) ?? '');
  return (
    flags |
    (isOperational ? STATE_FLAGS.running : 0) |
    (isSet('carrier') ? STATE_FLAGS.lowerUp : 0) |
    (isSet('dormant') ? STATE_FLAGS.dormant : 0)
  );
}

/** The device, or what carries it: that of a virtual machine is on a bus of its own. */
function pciSlot(system: System, base: string): string | undefined {
  for (const device of [`${base}/device`, `${base}/device/..`]) {
    const slot = /^PCI_SLOT_NAME=(.+)$/m.exec(system.text(`${device}/uevent`) ?? '')?.[1];
    if (slot !== undefined) return slot;
  }
  return undefined;
}
