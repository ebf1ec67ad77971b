import type { Collector } from '../contract/collector.js';
import { parseServices } from './parse/etc.js';

export const etcServices: Collector = {
  table: 'etc_services',
  collect: (system) => parseServices(system.text('/etc/services') ?? ''),
};
