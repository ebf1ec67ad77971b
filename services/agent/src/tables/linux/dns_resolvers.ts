import type { Collector } from '../contract/collector.js';
import { parseResolvConf } from './parse/etc.js';

export const dnsResolvers: Collector = {
  table: 'dns_resolvers',
  collect: (system) => parseResolvConf(system.text('/etc/resolv.conf') ?? ''),
};
