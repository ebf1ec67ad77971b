import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/system.js';
import { adminFiles } from './packages.js';
import { parseRpmFiles, RPM_FILES_FORMAT } from './parse/rpm-files.js';
import { lines } from './parse/shell-history.js';
import { runRpm } from './rpm-program.js';

const DPKG_FOLDER = '/var/lib/dpkg';
const PORTAGE = '/var/db/pkg';
const PORTAGE_WORLD = '/var/lib/portage/world';
const YUM_CONF = '/etc/yum.conf';
const YUM_FOLDER = '/etc/yum.repos.d';
const YUM_KEYS = ['name', 'baseurl', 'mirrorlist', 'metalink', 'enabled', 'gpgcheck', 'gpgkey'] as const;

/** Where packages come from, and which files they brought. */
export const PACKAGE_SOURCE_COLLECTORS: readonly Collector[] = [
  {
    table: 'deb_package_files',
    *collect(system, request) {
      const wanted = request.equal('package')?.map(String);
      for (const admindir of (request.equal('admindir') ?? [DPKG_FOLDER]).map(String)) {
        if (!admindir.startsWith('/')) continue;
        const files = adminFiles(system, request, admindir);
        for (const name of files.list(`${admindir}/info`)) {
          const [, found] = /^([^:]+)(?::[^:]+)?\.list$/.exec(name) ?? [];
          if (found === undefined || wanted?.every((one) => one === found) === false) continue;
          request.checkpoint();
          for (const path of lines(files.text(`${admindir}/info/${name}`) ?? '')) {
            yield { package: found, path, admindir };
          }
        }
      }
    },
  },
  {
    table: 'rpm_package_files',
    collect(system, request) {
      return parseRpmFiles(runRpm(system, RPM_FILES_FORMAT, request.equal('package')?.map(String)));
    },
  },
  {
    table: 'portage_packages',
    *collect(system, request) {
      const world = new Set(
        Array.from(lines(system.text(PORTAGE_WORLD) ?? ''), (line) => splitVersion(line.trim()).package),
      );
      for (const category of system.list(PORTAGE)) {
        request.checkpoint();
        for (const name of system.list(`${PORTAGE}/${category}`)) {
          const found = splitVersion(`${category}/${name}`);
          const word = (file: string): string | undefined => system.word(`${PORTAGE}/${category}/${name}/${file}`);
          yield {
            ...{
              ...found,
              slot: word('SLOT'),
              build_time: numberOf(word('BUILD_TIME')),
              repository: word('repository'),
            },
            ...{ eapi: numberOf(word('EAPI')), size: numberOf(word('SIZE')), world: world.has(found.package) },
          };
        }
      }
    },
  },
  {
    table: 'yum_sources',
    *collect(system) {
      const main = sections(system.text(YUM_CONF) ?? '');
      const folder =
        main
          .get('main')
          ?.get('reposdir')
          ?.split(/[\s,]+/)[0] ?? YUM_FOLDER;
      yield* repositories(YUM_CONF, main);
      if (!folder.startsWith('/')) return;
      for (const name of system.list(folder)) {
        const source = `${folder}/${name}`;
        if (name.endsWith('.repo')) yield* repositories(source, sections(system.text(source) ?? ''));
      }
    },
  },
];

/** `category/name-1.2_rc1-r3`: the version begins behind the last hyphen with a digit, of two at most. */
function splitVersion(text: string): { readonly package: string; readonly version: string } {
  const [, name, version = ''] = /^(.+?)-(\d[^-]*(?:-[^-]+)?)$/.exec(text) ?? [];
  return { package: name ?? text, version };
}

function numberOf(word: string | undefined): number | undefined {
  return word !== undefined && /^\d+$/.test(word) ? Number(word) : undefined;
}

type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

function* repositories(source: string, all: Sections): Iterable<TableRow> {
  for (const [name, options] of all) {
    if (name !== 'main') yield { source, ...Object.fromEntries(YUM_KEYS.map((key) => [key, options.get(key)])) };
  }
}

/** An INI file as dnf reads it: a line that begins with a blank goes on with the value before it. */
function sections(text: string): Sections {
  const found = new Map<string, Map<string, string>>();
  let options: Map<string, string> | undefined;
  let last: string | undefined;
  for (const line of lines(text)) {
    const head = /^\[([^\]]+)\]/.exec(line)?.[1];
    const [, key, value = ''] = /^([^\s#;=[][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (head !== undefined) {
      options = found.get(head) ?? new Map();
      found.set(head, options);
      last = undefined;
    } else if (key !== undefined) {
      options?.set(key, value);
      last = key;
    } else if (last !== undefined && /^\s+[^\s#;]/.test(line)) {
      options?.set(last, `${options.get(last) ?? ''}\n${line.trim()}`.trim());
    }
  }
  return found;
}
