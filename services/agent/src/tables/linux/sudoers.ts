import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseSudoers } from './parse/sudoers.js';

/** sudo's own limit for nested includes. */
const MAX_DEPTH = 128;

export const sudoers: Collector = {
  table: 'sudoers',
  *collect(system) {
    yield* readSudoers(system, '/etc/sudoers');
  },
};

/**
 * The lines of a file as sudo takes them, and after each include those of the files that it names, as often as they are named.
 * @param open the files that include this one, which sudo does not read again within themselves
 */
export function* readSudoers(system: System, source: string, open: readonly string[] = []): Iterable<TableRow> {
  if (open.includes(source) || open.length > MAX_DEPTH) return;
  for (const line of parseSudoers(system.text(source) ?? '')) {
    yield { source, header: line.header, rule_details: line.details };
    if (line.kind === 'rule') continue;
    const path = resolve(dirname(source), line.path.replaceAll('%h', hostOf(system)));
    const files = line.kind === 'include' ? [path] : dropIns(system, path);
    for (const file of files) yield* readSudoers(system, file, [...open, source]);
  }
}

/** The host name up to the first dot, which `%h` stands for. */
function hostOf(system: System): string {
  const name = system.live ? hostname() : (system.word('/etc/hostname') ?? '');
  return name.split('.')[0] ?? '';
}

/** sudo skips names with a dot and backups. */
function dropIns(system: System, folder: string): string[] {
  return system
    .list(folder)
    .filter((name) => !name.endsWith('~') && !name.includes('.'))
    .map((name) => `${folder}/${name}`);
}
