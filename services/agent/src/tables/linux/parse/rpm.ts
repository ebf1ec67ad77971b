import type { TableRow } from '@muster/tables';

const FIELDS = {
  name: 'NAME',
  version: 'VERSION',
  release: 'RELEASE',
  source: 'SOURCERPM',
  size: 'SIZE',
  sha1: 'SHA1HEADER',
  arch: 'ARCH',
  epoch: 'EPOCH',
  install_time: 'INSTALLTIME',
  vendor: 'VENDOR',
  package_group: 'GROUP',
} as const;

const SEPARATOR = '\u001f';

/**
 * What rpm could not do, the last line of it. Its exit status alone tells nothing: of a broken database it says that the package is not
 * installed, too, and a package that it cannot read is left out of a list that ends well.
 */
export function rpmError(stderr: string): string | undefined {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('error: '))
    .at(-1);
}

/** Format for `rpm --queryformat`: one line per package, with a separator that no field contains. */
export const RPM_QUERY_FORMAT = `${Object.values(FIELDS)
  .map((tag) => `%{${tag}}`)
  .join(SEPARATOR)}\\n`;

const NUMBERS: ReadonlySet<string> = new Set(['size', 'epoch', 'install_time']);

/** Parses the output of that format. rpm writes `(none)` for a missing field. */
export function parseRpmQuery(text: string): TableRow[] {
  const names = Object.keys(FIELDS);
  return text
    .split('\n')
    .map((line) => line.split(SEPARATOR))
    .filter((values) => values.length === names.length)
    .map((values) => {
      const known = names
        .map((name, index) => [name, values[index] ?? ''] as const)
        .filter(([, value]) => value !== '(none)');
      return Object.fromEntries(known.map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value]));
    });
}
