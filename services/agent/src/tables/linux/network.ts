import { networkInterfaces } from 'node:os';
import type { TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseIpAddresses } from './parse/ip-json.js';
import { parseIpv4Routes, parseIpv6Routes } from './parse/net.js';

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

/** Interfaces and routes. */
export const NETWORK_COLLECTORS: readonly Collector[] = [
  {
    table: 'interface_addresses',
    *collect(system) {
      if (!system.live) return;
      const listed = readIpAddresses(system);
      if (listed !== undefined) return yield* listed;
      for (const [name, addresses] of Object.entries(networkInterfaces())) {
        for (const { address, netmask, family, internal } of addresses ?? []) {
          const broadcast = family === 'IPv4' && !internal ? broadcastOf(address, netmask) : '';
          yield { interface: name, address, mask: netmask, broadcast, point_to_point: '', type: 'unknown' };
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
    *collect(system) {
      const found = [
        ...parseIpv4Routes(system.text('/proc/net/route') ?? ''),
        ...parseIpv6Routes(system.text('/proc/net/ipv6_route') ?? ''),
      ];
      for (const route of found) yield { ...route, source: '', hopcount: 0 };
    },
  },
];

const IP_PROGRAMS = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'];

/**
 * All addresses, from netlink through `ip`: also those of interfaces that are down or without a carrier, which getifaddrs
 * of Node leaves out, and the other end of a point-to-point one. `undefined` without that program.
 */
function readIpAddresses(system: System): TableRow[] | undefined {
  for (const program of IP_PROGRAMS) {
    const output = system.run(program, ['-json', 'address', 'show']);
    if (output !== undefined) return parseIpAddresses(output);
  }
  return undefined;
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
    flags: number('flags'),
    last_change: -1,
    link_speed: number('speed'),
    pci_slot: pciSlot(system, base),
    ...Object.fromEntries(counters),
  };
}

function pciSlot(system: System, base: string): string | undefined {
  return /^PCI_SLOT_NAME=(.+)$/m.exec(system.text(`${base}/device/uevent`) ?? '')?.[1];
}
