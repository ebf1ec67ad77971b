import type { Collector } from '../contract/collector.js';
import { parseHosts } from './parse/etc.js';

export const etcHosts: Collector = {
  table: 'etc_hosts',
  collect: (system) => parseHosts(system.text('/etc/hosts') ?? ''),
};
