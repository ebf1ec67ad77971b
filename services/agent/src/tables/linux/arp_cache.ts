import type { Collector } from '../collector.js';
import { parseArp } from './parse/net.js';

export const arpCache: Collector = {
  table: 'arp_cache',
  collect: (system) => parseArp(system.text('/proc/net/arp') ?? ''),
};
