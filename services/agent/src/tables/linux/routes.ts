import type { Collector } from '../contract/collector.js';
import { parseIpv4Routes, parseIpv6Routes } from './parse/net.js';

export const routes: Collector = {
  table: 'routes',
  *collect(system) {
    const found = [
      ...parseIpv4Routes(system.text('/proc/net/route') ?? ''),
      ...parseIpv6Routes(system.text('/proc/net/ipv6_route') ?? ''),
    ];
    for (const route of found) yield { ...route, source: '', hopcount: 0 };
  },
};
