import { LIMITS } from '@muster/protocol';
import type { AffectedPackage } from '@muster/records';

/** Packages that one statement names. */
const MAX_PACKAGES = 500;

/** Longer names and versions are cut where they are compared. */
const MAX_CHARS = 512;

/**
 * A question whose rows name every endpoint that has one of these packages now, by the rules of the scan. Of the
 * system's packages the source counts, whose name stands first in `source`, or is the package's own. `undefined` where
 * it would not name them all, or others too: some are not told (`isCut`), it would be too long, a system whose packages
 * it cannot name, or a kernel, of which only the running one counts.
 */
export function endpointQuestion(affected: readonly AffectedPackage[], isCut: boolean): string | undefined {
  const counting = affected.filter(({ suppressed }) => suppressed === undefined);
  if (isCut || counting.length > MAX_PACKAGES || !counting.every(canBeAsked)) return undefined;
  const parts = [
    statement(
      'deb_packages',
      counting.filter(isDebian),
      `iif(source = '', name, substr(source || ' ', 1, instr(source || ' ', ' ') - 1))`,
      `iif(instr(source, ' (') > 0, rtrim(substr(source, instr(source, '(') + 1), ')'), version)`,
      // What is removed leaves its configuration.
      `status LIKE '% installed'`,
    ),
    statement('rpm_packages', counting.filter(isRpm), 'name', `coalesce(epoch, 0) || ':' || version || '-' || release`),
    statement(
      'npm_packages',
      counting.filter(({ ecosystem }) => ecosystem === 'npm'),
      'name',
      'version',
      `path NOT LIKE '/usr/share/nodejs/%'`,
    ),
    statement(
      'python_packages',
      counting.filter(({ ecosystem }) => ecosystem === 'PyPI'),
      'name',
      'version',
      `path NOT LIKE '/usr/lib/python3%' AND path NOT LIKE '/usr/lib64/python3%'`,
    ),
  ].filter((part) => part !== undefined);
  const sql = parts.join('\nUNION ALL\n');
  return sql === '' || Buffer.byteLength(sql) > LIMITS.sqlBytes ? undefined : sql;
}

const isDebian = ({ ecosystem }: AffectedPackage): boolean => /^(?:Debian|Ubuntu):/.test(ecosystem);
const isRpm = ({ ecosystem }: AffectedPackage): boolean => ecosystem.startsWith('AlmaLinux:');
const KERNEL = /^(?:linux|kernel)(?:-|$)/;

/** Rocky's packages are compared by their source, whose name no column has alone. */
function canBeAsked(one: AffectedPackage): boolean {
  const { ecosystem, name, version } = one;
  if (name.length >= MAX_CHARS || version.length >= MAX_CHARS || `${name}${version}`.includes('\0')) return false;
  if (isDebian(one) || isRpm(one)) return !KERNEL.test(name);
  return ecosystem === 'npm' || ecosystem === 'PyPI';
}

function statement(
  table: string,
  packages: readonly AffectedPackage[],
  nameOf: string,
  versionOf: string,
  also = '1',
): string | undefined {
  if (packages.length === 0) return undefined;
  const pairs = packages.map(({ name, version }) => `(${text(name)}, ${text(version)})`).join(', ');
  return `SELECT name, version, '${table}' AS found_in FROM ${table} WHERE (${nameOf}, ${versionOf}) IN (VALUES ${pairs}) AND ${also}`;
}

/** Names and versions come from endpoints. */
function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
