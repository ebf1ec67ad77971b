import { bytes, type SqlFunction } from './sql-function.js';
import { compareVersions, VERSION_RULES } from './version-order.js';

const FLAVORS = {
  ARCH: VERSION_RULES.version_arch,
  DPKG: VERSION_RULES.version_dpkg,
  RHEL: VERSION_RULES.version_rhel,
};

function rulesOf(flavor: unknown): (typeof FLAVORS)[keyof typeof FLAVORS] | typeof VERSION_RULES.version {
  if (flavor === undefined) return VERSION_RULES.version;
  if (typeof flavor !== 'string') throw new Error('The optional third parameter is not a string.');
  const known = Object.entries(FLAVORS).find(([name]) => name === flavor.toUpperCase());
  if (known === undefined) {
    throw new Error('The optional third parameter does not match one of: (ARCH, DPKG, RHEL).');
  }
  return known[1];
}

/** `version_compare(left, right[, flavor])` is -1, 0 or 1. */
export const VERSION_FUNCTIONS: readonly SqlFunction[] = [
  {
    name: 'version_compare',
    args: -1,
    call: ([left, right, flavor]) => {
      if (typeof left !== 'string' || typeof right !== 'string') {
        throw new Error('Must provide two version strings to compare.');
      }
      return Math.sign(compareVersions(bytes(left), bytes(right), rulesOf(flavor)));
    },
  },
];
