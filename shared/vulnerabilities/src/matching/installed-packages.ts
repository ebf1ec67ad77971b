import type { InstalledPackage } from './match-package.js';

/** The system that packages are installed on: columns of `os_version`, and `uname -r`. */
export interface HostSystem {
  /** Column `platform`, such as `debian`. */
  readonly platform: string;
  /** Column `version`, such as `12` or `22.04`. */
  readonly version: string;
  /** Column `version` of `kernel_info`. Without it no kernel package counts; who asks tells that of the endpoint. */
  readonly kernel?: string;
}

/** Columns of `deb_packages`. */
export interface DebianRow {
  readonly name: string;
  readonly version: string;
  /** The source package, with its version in brackets when it is another one. */
  readonly source: string;
}

/** Columns of `rpm_packages`. */
export interface RpmRow {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly epoch?: number | null;
  readonly arch?: string;
  /** File name of the source package. */
  readonly source?: string;
}

/** The OSV ecosystem of a system's packages; `undefined` where OSV has none that Muster knows. */
export function ecosystemOf({ platform, version }: Pick<HostSystem, 'platform' | 'version'>): string | undefined {
  const major = /^\d+/.exec(version)?.[0];
  if (major === undefined) return undefined;
  const minor = /^\d+\.\d+/.exec(version)?.[0];
  switch (platform) {
    case 'debian':
      return `Debian:${major}`;
    case 'ubuntu':
      // Releases of April in even years are supported for long.
      return minor === undefined ? undefined : `Ubuntu:${minor}${isLongTerm(minor) ? ':LTS' : ''}`;
    case 'almalinux':
      return `AlmaLinux:${major}`;
    case 'rocky':
      return `Rocky Linux:${major}`;
    default:
      return undefined;
  }
}

function isLongTerm(release: string): boolean {
  return Number(release.slice(0, 2)) % 2 === 0 && release.endsWith('.04');
}

/** The source packages of Debian packages, each once. Of kernels only the running one counts. */
export function debianPackages(rows: Iterable<DebianRow>, host: HostSystem): InstalledPackage[] {
  const ecosystem = ecosystemOf(host);
  if (ecosystem === undefined) return [];
  return unique(rows, (row) => {
    const [, name = row.name, version = row.version] = /^(\S+)(?:\s+\(([^)]+)\))?$/.exec(row.source.trim()) ?? [];
    if (!isDebianKernel(row.name)) return { ecosystem, name, version };
    if (host.kernel === undefined || !row.name.replace(/-unsigned$/, '').endsWith(`-${host.kernel}`)) return undefined;
    // The signed image has a source of its own, whose version is not that of the kernel.
    return { ecosystem, name: name.replace(/^linux-signed(?:-(?:amd64|arm64|i386))?/, 'linux'), version: row.version };
  });
}

/** Images, headers and modules of one kernel release carry it in their names; `linux-libc-dev` does not. */
function isDebianKernel(name: string): boolean {
  return /^linux-(?:image|headers|modules|modules-extra)-(?:unsigned-)?\d/.test(name);
}

/** The packages of an RPM system, each version once. Of kernels only the running one counts. */
export function rpmPackages(rows: Iterable<RpmRow>, host: HostSystem): InstalledPackage[] {
  const ecosystem = ecosystemOf(host);
  if (ecosystem === undefined) return [];
  return unique(rows, ({ name, version, release, epoch, arch, source = '' }) => {
    const isKernel = /^kernel(?:-(?:core|modules|modules-core|modules-extra|rt|rt-core|devel))?$/.test(name);
    const running = [`${version}-${release}`, `${version}-${release}.${arch ?? ''}`];
    if (isKernel && (host.kernel === undefined || !running.includes(host.kernel))) return undefined;
    // OSV names Rocky's source packages, and Alma's binary ones.
    const [, ofSource, itsVersion = version, itsRelease = release] =
      /^(.+)-([^-]+)-([^-]+)\.(?:no)?src\.rpm$/.exec(source) ?? [];
    if (ofSource === undefined || !ecosystem.startsWith('Rocky'))
      return { ecosystem, name, version: `${epoch ?? 0}:${version}-${release}` };
    return { ecosystem, name: ofSource, version: `${epoch ?? 0}:${itsVersion}-${itsRelease}` };
  });
}

function unique<T>(rows: Iterable<T>, packageOf: (row: T) => InstalledPackage | undefined): InstalledPackage[] {
  const found = new Map<string, InstalledPackage>();
  for (const row of rows) {
    const one = packageOf(row);
    if (one !== undefined) found.set(JSON.stringify([one.name, one.version]), one);
  }
  return [...found.values()];
}
