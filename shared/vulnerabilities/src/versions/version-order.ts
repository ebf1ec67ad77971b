import { compare as comparePep440, valid as isPep440 } from '@renovatebot/pep440';
import semver from 'semver';
import { compareDebianVersions } from './debian-version.js';
import { compareRpmVersions } from './rpm-version.js';

/** Negative, 0 or positive; `undefined` when one of them is no version of this order. */
export type VersionOrder = (left: string, right: string) => number | undefined;

const BY_ECOSYSTEM: Readonly<Record<string, VersionOrder>> = {
  Debian: compareDebianVersions,
  Ubuntu: compareDebianVersions,
  AlmaLinux: compareRpmVersions,
  'Rocky Linux': compareRpmVersions,
  'Red Hat': compareRpmVersions,
  SUSE: compareRpmVersions,
  openSUSE: compareRpmVersions,
  'Azure Linux': compareRpmVersions,
  Mageia: compareRpmVersions,
  openEuler: compareRpmVersions,
  npm: compareSemantic,
  PyPI: comparePython,
};

/** The order of versions of an OSV ecosystem, with or without its release (`Debian:12`). `undefined` where Muster has none. */
export function versionOrder(ecosystem: string): VersionOrder | undefined {
  const name = ecosystem.split(':', 1)[0] ?? '';
  return Object.hasOwn(BY_ECOSYSTEM, name) ? BY_ECOSYSTEM[name] : undefined;
}

/** Versions of npm and of OSV's SEMVER ranges. */
export function compareSemantic(left: string, right: string): number | undefined {
  const [one, other] = [semver.parse(left), semver.parse(right)];
  return one === null || other === null ? undefined : one.compare(other);
}

function comparePython(left: string, right: string): number | undefined {
  if (left.length > 256 || right.length > 256 || !isPep440(left) || !isPep440(right)) return undefined;
  return comparePep440(left, right);
}

/** The order of two versions of an ecosystem; `undefined` where it cannot be told. */
export function compareVersions(ecosystem: string, left: string, right: string): number | undefined {
  return versionOrder(ecosystem)?.(left, right);
}
