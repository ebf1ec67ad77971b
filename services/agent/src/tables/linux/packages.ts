import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { pythonFolders, readPythonPackage } from './python_packages.js';
import { aptListName, type AptSource, parseDeb822Sources, parseSourcesList } from './parse/apt.js';
import { type Paragraph, parseDpkgStatus, parseParagraphs } from './parse/dpkg.js';
import { parsePackageJson } from './parse/npm.js';
import { parseRpmQuery, RPM_QUERY_FORMAT } from './parse/rpm.js';
import { runRpm } from './rpm-program.js';

const APT_FOLDER = '/etc/apt/sources.list.d';
const APT_LISTS = '/var/lib/apt/lists';

const DPKG_FOLDER = '/var/lib/dpkg';

const NPM_FOLDERS = ['/usr/lib/', '/usr/local/lib/'] as const;
const NPM_MAX_DEPTH = 32;

/** Installed packages of the system and of languages. */
export const PACKAGE_COLLECTORS: readonly Collector[] = [
  {
    table: 'deb_packages',
    *collect(system, request) {
      for (const admindir of request.equal('admindir') ?? [DPKG_FOLDER]) {
        if (!String(admindir).startsWith('/')) continue;
        for (const one of parseDpkgStatus(
          adminFiles(system, request, admindir).text(`${String(admindir)}/status`) ?? '',
        )) {
          yield { ...one, admindir };
        }
      }
    },
  },
  {
    table: 'rpm_packages',
    collect(system, request) {
      return parseRpmQuery(request.memo('rpm', () => runRpm(system, RPM_QUERY_FORMAT)));
    },
  },
  {
    table: 'npm_packages',
    *collect(system, request) {
      for (const directory of (request.equal('directory') ?? NPM_FOLDERS).map(String)) {
        if (!directory.startsWith('/')) continue;
        const files = system.ofStatement(() => request.checkpoint());
        yield* readModules(files, request, directory, `${directory.replace(/\/+$/, '')}/node_modules`, 0);
      }
    },
  },
  {
    table: 'python_packages',
    *collect(system, request) {
      for (const { directory, uid, files } of pythonFolders(system, request)) {
        for (const entry of files.list(directory)) {
          request.checkpoint();
          const row = readPythonPackage(files, directory, entry);
          if (row !== undefined) yield { ...row, uid };
        }
      }
    },
  },
  {
    table: 'apt_sources',
    *collect(system) {
      const drops = system.list(APT_FOLDER).map((name) => `${APT_FOLDER}/${name}`);
      for (const file of ['/etc/apt/sources.list', ...drops]) {
        for (const source of parseSources(file, system)) yield sourceRow(system, file, source);
      }
    },
  },
];

/** How dpkg's records are read: also of another folder, which a statement names. */
export function adminFiles(system: System, request: CollectRequest, admindir: unknown): System {
  return admindir === DPKG_FOLDER ? system : system.ofStatement(() => request.checkpoint());
}

/** Skips links, which lead to packages elsewhere or back up. */
function* readModules(
  system: System,
  request: CollectRequest,
  directory: string,
  folder: string,
  depth: number,
): Iterable<TableRow> {
  if (depth > NPM_MAX_DEPTH) return;
  for (const path of packageFolders(system, folder)) {
    request.checkpoint();
    const info = parsePackageJson(system.text(`${path}/package.json`) ?? '');
    if (info !== undefined) yield { ...info, path: `${path}/package.json`, directory, depth };
    yield* readModules(system, request, directory, `${path}/node_modules`, depth + 1);
  }
}

function packageFolders(system: System, folder: string): string[] {
  return system.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (name.startsWith('.') || system.lstat(path)?.isDirectory() !== true) return [];
    return name.startsWith('@') ? packageFolders(system, path) : [path];
  });
}

function parseSources(file: string, system: System): AptSource[] {
  if (file.endsWith('.list')) return parseSourcesList(system.text(file) ?? '');
  return file.endsWith('.sources') ? parseDeb822Sources(system.text(file) ?? '') : [];
}

function sourceRow(system: System, source: string, { uri, release, components, architectures }: AptSource): TableRow {
  const index = downloadedRelease(system, { uri, release, components, architectures });
  return {
    name: `${uri.replace(/^[a-z+]+:\/+/i, '').replace(/\/+$/, '')} ${release}`,
    source,
    base_uri: uri,
    release,
    version: index?.get('version') ?? '',
    maintainer: index?.get('origin') ?? '',
    components,
    architectures: architectures === '' ? (index?.get('architectures') ?? '') : architectures,
  };
}

/** The head of the index that apt downloaded last. The file hashes after it are not needed. */
function downloadedRelease(system: System, source: AptSource): Paragraph | undefined {
  const headBytes = 4_096;
  const base = `${APT_LISTS}/${aptListName(source)}`;
  const text = system.head(`${base}_InRelease`, headBytes) ?? system.head(`${base}_Release`, headBytes);
  if (text === undefined) return undefined;
  for (const paragraph of parseParagraphs(text))
    if (paragraph.has('suite') || paragraph.has('origin')) return paragraph;
  return undefined;
}
