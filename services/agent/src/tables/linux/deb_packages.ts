import type { Collector } from '../contract/collector.js';
import { parseDpkgStatus } from './parse/dpkg.js';

const ADMINDIR = '/var/lib/dpkg';

export const debPackages: Collector = {
  table: 'deb_packages',
  *collect(system, request) {
    for (const admindir of request.equal('admindir') ?? [ADMINDIR]) {
      if (!String(admindir).startsWith('/')) continue;
      for (const one of parseDpkgStatus(system.text(`${String(admindir)}/status`) ?? '')) {
        yield { ...one, admindir };
      }
    }
  },
};
