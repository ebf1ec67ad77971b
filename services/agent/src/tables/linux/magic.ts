import { basename } from 'node:path';
import { hasRawBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import { atDescriptor } from '../contract/found-file.js';
import type { Collector, System } from '../contract/system.js';
import { answersOf, type HeldFile, rowsInBatches } from './held-files.js';
import { candidatePaths, directoryOf } from './path_patterns.js';

const PROGRAMS = ['/usr/bin/file', '/bin/file'] as const;
/** The machine's own, as osquery names them. */
const OWN_DATABASES = '/usr/share/file/magic.mgc:/usr/share/misc/magic.mgc';

/**
 * What files are by their content, as libmagic has it. The machine's own program reads them
 * ([why](../../../../../docs/decisions/programs-of-the-machine.md)). It follows no link, and opens no pipe and no device: it inherits
 * what was found at each path.
 */
export const magic: Collector = {
  table: 'magic',
  *collect(system, request) {
    const program = PROGRAMS.find((path) => system.exists(path));
    if (program === undefined)
      return request.warn('unreadable', 'there is no program to tell kinds of files with: install the package file');
    const databases = request.equal('magic_db_files')?.map(String) ?? [OWN_DATABASES];
    for (const database of databases) {
      const options = optionsOf(system, request, program, database);
      if (options === undefined) continue;
      const asker = { system, request, program, options };
      for (const row of rowsInBatches(candidates(system, request), (batch) => kindsOf(asker, batch))) {
        yield { ...row, magic_db_files: database };
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

/**
 * The databases that a statement names, between colons; `undefined` where one of them is not read. `file` itself takes `NAME.mgc` in
 * place of `NAME` where there is one.
 */
function optionsOf(
  system: System,
  request: CollectRequest,
  program: string,
  databases: string,
): readonly string[] | undefined {
  if (databases === OWN_DATABASES) return [];
  const files = system.ofStatement(() => request.checkpoint());
  for (const name of databases.split(':')) {
    const compiled = name.endsWith('.mgc') ? undefined : `${name}.mgc`;
    const taken = compiled !== undefined && system.lstat(compiled) !== undefined ? compiled : name;
    if (name.startsWith('/') && files.hasFile(taken)) continue;
    request.warn('unreadable', `magic_db_files: ${taken} is no file that is read`);
    return undefined;
  }
  const options = ['--magic-file', databases];
  // Asked once by itself: without a database there is no answer for any file.
  const answer = system.run(program, [...options, '--', '/'], {
    faultsOf: ({ status }) => (status === 0 ? [] : [`magic_db_files: file cannot use ${databases}`]),
  });
  return answer === undefined ? undefined : options;
}

interface Candidate extends HeldFile {
  /** Of a link: it is looked at in its folder, which is held. */
  readonly link?: string;
}

function* candidates(system: System, request: CollectRequest): Iterable<Candidate> {
  const files = system.ofStatement(() => request.checkpoint());
  for (const { path, mayTouch } of candidatePaths(system, request)) {
    const stat = mayTouch ? system.lstat(path) : undefined;
    if (stat === undefined) continue;
    const link = stat.isSymbolicLink() ? basename(path) : undefined;
    if (link !== undefined && hasRawBytes(link)) {
      request.warn('unreadable', `${path}: file is not asked for links whose names are not UTF-8`);
      continue;
    }
    const found = files.find(link === undefined ? path : directoryOf(path));
    if (found !== undefined) yield { path, found, ...(link === undefined ? {} : { link }) };
  }
}

function* kindsOf(asker: Asker, batch: readonly Candidate[]): Iterable<TableRow> {
  const isAsked = (column: string): boolean => asker.request.uses(column);
  const isMime = isAsked('mime_type') || isAsked('mime_encoding');
  for (const some of [batch.filter(({ link }) => link === undefined), batch.filter(({ link }) => link !== undefined)]) {
    const data = isAsked('data') ? answers(asker, [], some) : [];
    const mime = isMime ? answers(asker, ['--mime'], some) : [];
    for (const [index, { path }] of some.entries()) {
      // Links have no encoding.
      const [, type, encoding] = /^(.*?)(?:; charset=(\S*))?$/s.exec(mime[index] ?? '') ?? [];
      const isKnown = mime[index] !== undefined;
      yield {
        path,
        data: data[index],
        mime_type: isKnown ? type : undefined,
        mime_encoding: isKnown ? encoding || 'binary' : undefined,
      };
    }
  }
}

/** For each file, in their order; `undefined` where the program has none, which is told. */
function answers(asker: Asker, how: readonly string[], some: readonly Candidate[]): readonly (string | undefined)[] {
  const { request } = asker;
  const said = some.length === 0 ? [] : answersOf(some, (part) => ask(asker, how, part));
  return said.map((answer, index) => {
    if (answer !== undefined && !FAULT.test(answer)) return answer;
    request.warn('unreadable', `${some[index]?.path}: file does not tell what it is`);
    return undefined;
  });
}

/** What `file` says in place of a kind. */
const FAULT = /^(cannot (open|stat|read) |ERROR: )/;

/** Name and answer for each file: with `-00` a zero ends both, which neither of them has. `undefined` when they are not whole. */
function ask(
  { system, request, program, options }: Asker,
  how: readonly string[],
  some: readonly Candidate[],
): readonly string[] | undefined {
  request.checkpoint();
  const names = some.map(({ link }, index) => atDescriptor(index) + (link === undefined ? '' : `/${link}`));
  // All are links, or none is: a descriptor is a link, too.
  const isLinks = some.some(({ link }) => link !== undefined);
  const args = [...options, ...how, isLinks ? '--no-dereference' : '--dereference', '--no-pad', '-00', '--', ...names];
  // Which of them have no answer is told by `answers`.
  const told = system.run(program, args, { files: some.map(({ found }) => found), faultsOf: () => [] })?.split('\0');
  return told?.length === some.length * 2 + 1 ? told.filter((_part, index) => index % 2 === 1) : undefined;
}
