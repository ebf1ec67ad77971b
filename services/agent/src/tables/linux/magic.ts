import { hasRawBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { candidatePaths } from './path_patterns.js';

const PROGRAMS = ['/usr/bin/file', '/bin/file'] as const;
/** The machine's own, as osquery names them. */
const OWN_DATABASES = '/usr/share/file/magic.mgc:/usr/share/misc/magic.mgc';
/** Paths of one call: a command line is at most 2 MiB, and a path 4 KiB. */
const BATCH = 200;

/**
 * What files are by their content, as libmagic has it. The machine's own program reads them
 * ([why](../../../../../docs/decisions/programs-of-the-machine.md)). It follows no link, and opens no pipe and no device.
 */
export const magic: Collector = {
  table: 'magic',
  *collect(system, request) {
    const program = PROGRAMS.find((path) => system.exists(path));
    if (program === undefined)
      return request.warn('unreadable', 'there is no program to tell kinds of files with: install the package file');
    const databases = request.equal('magic_db_files')?.map(String) ?? [OWN_DATABASES];
    for (const database of databases) {
      const asker = { system, request, program, options: optionsOf(system, request, database) };
      if (asker.options === undefined) continue;
      for (const paths of batches(system, request)) {
        for (const row of kindsOf({ ...asker, options: asker.options }, paths)) {
          yield { ...row, magic_db_files: database };
        }
      }
    }
  },
};

interface Asker {
  readonly system: System;
  readonly request: CollectRequest;
  readonly program: string;
  readonly options: readonly string[];
}

/** The databases that a statement names, between colons; `undefined` where one of them is not read. */
function optionsOf(system: System, request: CollectRequest, databases: string): readonly string[] | undefined {
  if (databases === OWN_DATABASES) return [];
  const files = system.ofStatement(() => request.checkpoint());
  const mayRead = databases.split(':').every((path) => path.startsWith('/') && files.mayRead(path));
  return mayRead ? ['--magic-file', databases] : undefined;
}

function* batches(system: System, request: CollectRequest): Iterable<readonly string[]> {
  let batch: string[] = [];
  for (const { path, mayTouch } of candidatePaths(system, request)) {
    if (!mayTouch || system.lstat(path) === undefined) continue;
    if (hasRawBytes(path)) request.warn('unreadable', `${path}: file is not asked for names that are not UTF-8`);
    else batch.push(path);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function kindsOf(asker: Asker, paths: readonly string[]): TableRow[] {
  const { request } = asker;
  const isAsked = (column: string): boolean => request.uses(column);
  const data = isAsked('data') ? ask(asker, [], paths) : undefined;
  const mime = isAsked('mime_type') || isAsked('mime_encoding') ? ask(asker, ['--mime'], paths) : undefined;
  return paths.map((path, index) => {
    // Links have no encoding.
    const [, type, encoding = ''] = /^(.*?)(?:; charset=(\S*))?$/s.exec(mime?.[index] ?? '') ?? [];
    const isKnown = mime?.[index] !== undefined;
    return {
      path,
      data: data?.[index],
      mime_type: isKnown ? type : undefined,
      mime_encoding: isKnown ? encoding || 'binary' : undefined,
    };
  });
}

/** Name and answer for each path, in the order of the paths: with `-00` a zero ends both, which neither of them has. */
function ask(
  { system, request, program, options }: Asker,
  how: readonly string[],
  paths: readonly string[],
): readonly string[] | undefined {
  request.checkpoint();
  const args = [...options, ...how, '--no-dereference', '--no-pad', '-00', '--', ...paths];
  const told = system.run(program, args)?.split('\0');
  return told?.length === paths.length * 2 + 1 ? told.filter((_part, index) => index % 2 === 1) : undefined;
}
