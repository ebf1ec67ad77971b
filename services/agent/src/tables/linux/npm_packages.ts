import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { parsePackageJson } from './parse/npm.js';

const DIRECTORIES = ['/usr/lib', '/usr/local/lib'] as const;
const MAX_DEPTH = 32;

export const npmPackages: Collector = {
  table: 'npm_packages',
  *collect(system, request) {
    for (const directory of (request.equal('directory') ?? DIRECTORIES).map(String)) {
      if (directory.startsWith('/')) yield* readModules(system, request, directory, `${directory}/node_modules`, 0);
    }
  },
};

/** Skips links, which lead to packages elsewhere or back up. */
function* readModules(
  system: System,
  request: CollectRequest,
  directory: string,
  folder: string,
  depth: number,
): Iterable<TableRow> {
  if (depth > MAX_DEPTH) return;
  for (const path of packageFolders(system, folder)) {
    request.checkpoint();
    const info = parsePackageJson(system.text(`${path}/package.json`) ?? '');
    if (info !== undefined) yield { ...info, path, directory, depth };
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
