import { textOfBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import { atDescriptor } from '../contract/found-file.js';
import { complaintOf, type ProgramEnd } from '../contract/run-to-end.js';
import type { Collector, System } from '../contract/system.js';
import { type HeldFile, rowsInBatches } from './held-files.js';
import { fileCapabilities } from './parse/capabilities.js';
import { parseGetfattr, parseGetfattrFaults } from './parse/getfattr.js';
import { candidatePaths } from './path_patterns.js';

const PROGRAMS = ['/usr/bin/getfattr', '/bin/getfattr'] as const;
const CAPABILITY = 'security.capability';

/** Node.js cannot read them, so the machine's own program does. */
export const extendedAttributes: Collector = {
  table: 'extended_attributes',
  *collect(system, request) {
    const program = PROGRAMS.find((path) => system.exists(path));
    if (program === undefined)
      return request.warn(
        'unreadable',
        'there is no getfattr to read extended attributes with: install the package attr',
      );
    yield* rowsInBatches(heldFiles(system, request), (batch) => attributesOf(system, request, program, batch));
  },
};

function* heldFiles(system: System, request: CollectRequest): Iterable<HeldFile> {
  const files = system.ofStatement(() => request.checkpoint());
  for (const { path, mayTouch, mayFollow } of candidatePaths(system, request)) {
    const found = mayTouch && mayFollow() ? files.find(path) : undefined;
    if (found !== undefined) yield { path, found };
  }
}

function* attributesOf(
  system: System,
  request: CollectRequest,
  program: string,
  batch: readonly HeldFile[],
): Iterable<TableRow> {
  request.checkpoint();
  const paths = new Map(batch.map(({ path }, index) => [atDescriptor(index), path]));
  const output = system.run(program, ['--absolute-names', '-d', '-m', '-', '-e', 'hex', '--', ...paths.keys()], {
    keepOutput: true,
    files: batch.map(({ found }) => found),
    faultsOf: (end) => faultsOf(program, end, paths),
  });
  for (const { path: name, key, value } of parseGetfattr(output ?? '')) {
    const path = paths.get(name);
    if (path === undefined) continue;
    const directory = path.slice(0, path.lastIndexOf('/')) || '/';
    yield { path, directory, key, ...shown(key, value) };
  }
}

/** Each file that it could not read, by its path. */
function faultsOf(program: string, end: ProgramEnd, paths: ReadonlyMap<string, string>): readonly string[] {
  if (end.status === 0) return [];
  const faults = Array.from(parseGetfattrFaults(end.stderr), ({ path, why }) => `${paths.get(path) ?? path}: ${why}`);
  return faults.length === 0 ? [complaintOf(program, end)] : faults;
}

/** As osquery: text when it is printable and ends with a zero, else base64. */
function shown(key: string, value: Buffer): TableRow {
  const capabilities = key === CAPABILITY ? fileCapabilities(value) : undefined;
  if (capabilities !== undefined) return { value: capabilities, base64: 0 };
  const isText = value.at(-1) === 0 && value.subarray(0, -1).every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText
    ? { value: textOfBytes(value.subarray(0, -1)), base64: 0 }
    : { value: value.toString('base64'), base64: 1 };
}
