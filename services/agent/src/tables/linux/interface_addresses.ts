import { networkInterfaces } from 'node:os';
import type { Collector } from '../contract/collector.js';

export const interfaceAddresses: Collector = {
  table: 'interface_addresses',
  *collect(system) {
    if (!system.live) return;
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      for (const { address, netmask, family, internal } of addresses ?? []) {
        const broadcast = family === 'IPv4' && !internal ? broadcastOf(address, netmask) : '';
        yield { interface: name, address, mask: netmask, broadcast, point_to_point: '', type: 'unknown' };
      }
    }
  },
};

/** The last address of the network. Empty for /31 and /32. */
export function broadcastOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  if ((mask[3] ?? 255) >= 254) return '';
  const parts = address.split('.').map(Number);
  return parts.map((part, index) => (part | (~(mask[index] ?? 255) & 255)) & 255).join('.');
}
