import { hasRawBytes, textOfBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { fileCapabilities } from './parse/capabilities.js';
import { parseGetfattr } from './parse/getfattr.js';
import { candidatePaths } from './path_patterns.js';

const PROGRAMS = ['/usr/bin/getfattr', '/bin/getfattr'] as const;
/** Paths of one call: a command line is at most 2 MiB, and a path 4 KiB. */
const BATCH = 200;
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
    const files = system.ofStatement(() => request.checkpoint());
    let batch: string[] = [];
    for (const { path, mayTouch, mayFollow } of candidatePaths(system, request)) {
      if (!mayTouch || !mayFollow() || !files.mayRead(path)) continue;
      if (hasRawBytes(path)) request.warn('unreadable', `${path}: getfattr is not asked for names that are not UTF-8`);
      else batch.push(path);
      if (batch.length < BATCH) continue;
      yield* attributesOf(system, request, program, batch);
      batch = [];
    }
    yield* attributesOf(system, request, program, batch);
  },
};

function* attributesOf(
  system: System,
  request: CollectRequest,
  program: string,
  paths: readonly string[],
): Iterable<TableRow> {
  request.checkpoint();
  if (paths.length === 0) return;
  const output = system.run(program, ['--absolute-names', '-d', '-m', '-', '-e', 'hex', '--', ...paths], {
    keepOutput: true,
  });
  for (const { path, key, value } of parseGetfattr(output ?? '')) {
    const directory = path.slice(0, path.lastIndexOf('/')) || '/';
    yield { path, directory, key, ...shown(key, value) };
  }
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
