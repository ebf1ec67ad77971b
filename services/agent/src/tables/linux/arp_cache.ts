import type { Collector } from '../contract/collector.js';
import { parseArp } from './parse/net.js';

export const arpCache: Collector = {
  table: 'arp_cache',
  collect: (system) => parseArp(system.text('/proc/net/arp') ?? ''),
};
