import type { Collector } from '../contract/collector.js';
import { parseRpmQuery, RPM_QUERY_FORMAT } from './parse/rpm.js';

export const rpmPackages: Collector = {
  table: 'rpm_packages',
  collect(system, request) {
    const output = request.memo('rpm', () => system.run('/usr/bin/rpm', ['-qa', '--queryformat', RPM_QUERY_FORMAT]));
    return parseRpmQuery(output ?? '');
  },
};
