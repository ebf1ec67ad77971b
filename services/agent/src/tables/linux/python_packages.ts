import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { homes } from './accounts.js';
import { parsePythonMetadata } from './parse/python.js';

/** The headers fit in this. Long descriptions follow them. */
const METADATA_BYTES = 64 * 1024;
const LIBRARIES = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/usr/local/lib64'] as const;
const FOLDERS = ['dist-packages', 'site-packages'] as const;

export const pythonPackages: Collector = {
  table: 'python_packages',
  *collect(system, request) {
    for (const directory of directories(system, request)) {
      for (const entry of system.list(directory)) {
        request.checkpoint();
        const row = readPackage(system, directory, entry);
        if (row !== undefined) yield row;
      }
    }
  },
};

function directories(system: System, request: CollectRequest): string[] {
  const wanted = request.equal('directory');
  if (wanted !== undefined) return wanted.map(String).filter((path) => path.startsWith('/'));
  const libraries = [...LIBRARIES, ...homes(system, request).map((home) => `${home.directory}/.local/lib`)];
  return libraries.flatMap((library) =>
    system
      .list(library)
      .filter((name) => /^python\d/.test(name))
      .flatMap((version) => FOLDERS.map((folder) => `${library}/${version}/${folder}`)),
  );
}

function readPackage(system: System, directory: string, entry: string): TableRow | undefined {
  if (!/\.(dist-info|egg-info)$/.test(entry)) return undefined;
  const path = `${directory}/${entry}`;
  // Old distributions are a file, newer ones a folder.
  const files = [`${path}/METADATA`, `${path}/PKG-INFO`, path];
  for (const file of files) {
    const text = system.head(file, METADATA_BYTES);
    const metadata = text === undefined ? undefined : parsePythonMetadata(text);
    if (metadata !== undefined) return { ...metadata, uid: system.stat(path)?.uid, path, directory };
  }
  return undefined;
}
