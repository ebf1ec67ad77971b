import type { Collector } from '../contract/collector.js';
import { parseProtocols } from './parse/etc.js';

export const etcProtocols: Collector = {
  table: 'etc_protocols',
  collect: (system) => parseProtocols(system.text('/etc/protocols') ?? ''),
};
