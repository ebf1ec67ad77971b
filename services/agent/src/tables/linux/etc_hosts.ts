import type { Collector } from '../collector.js';
import { parseHosts } from './parse/etc.js';

export const etcHosts: Collector = {
  table: 'etc_hosts',
  collect: (system) => parseHosts(system.text('/etc/hosts') ?? ''),
};
