import type { CollectRequest, TableRow } from '@muster/tables';
import type { System } from '../contract/system.js';
import { parsePythonMetadata } from './parse/python.js';
import { homes } from './users.js';

/** The headers fit in this. Long descriptions follow them. */
const METADATA_BYTES = 64 * 1024;

/** Of the system, with folders such as `python3.11` in them. */
const LIBRARIES = [
  ...['/usr/lib', '/usr/lib64', '/usr/local/lib', '/usr/local/lib64'],
  ...['/opt/conda/lib', '/opt/miniconda3/lib', '/opt/anaconda3/lib'],
] as const;

/** The same in a home folder. */
const USER_LIBRARIES = ['.local/lib', 'miniforge3/lib', 'miniconda3/lib', 'anaconda3/lib', 'mambaforge/lib'] as const;

/** In a home folder: managers of versions and of environments. Each entry is an installation with a `lib`. */
const USER_INSTALLATIONS = [
  ...['.pyenv/versions', '.asdf/installs/python', '.local/share/mise/installs/python'],
  ...['.local/share/uv/tools', '.local/share/pipx/venvs', '.cache/pypoetry/virtualenvs'],
  ...['miniforge3/envs', 'miniconda3/envs', 'anaconda3/envs', 'mambaforge/envs'],
  ...['.virtualenvs', '.local/share/virtualenvs'],
] as const;

const FOLDERS = ['dist-packages', 'site-packages'] as const;

/** A folder with packages, how it is read, and the user to whom it belongs: root for those of the system. */
interface PythonFolder {
  readonly directory: string;
  readonly uid: number;
  readonly files: System;
}

/** The folders that the statement names, or all. As in osquery, a folder that was found ends with a slash. */
export function pythonFolders(system: System, request: CollectRequest): PythonFolder[] {
  const wanted = request.equal('directory');
  if (wanted !== undefined)
    return wanted
      .map(String)
      .filter((path) => path.startsWith('/'))
      .map((directory) => ({ directory, uid: 0, files: system.ofStatement(() => request.checkpoint()) }));
  const ofUsers = homes(system, request).flatMap(({ directory: home, uid, files }) => {
    const libraries = USER_LIBRARIES.map((path) => `${home}/${path}`);
    const installed = USER_INSTALLATIONS.flatMap((path) => installations(files, `${home}/${path}`));
    return [...libraries, ...installed.map((path) => `${path}/lib`)].flatMap((path) => foldersIn(files, path, uid));
  });
  return [...LIBRARIES.flatMap((path) => foldersIn(system, path, 0)), ...ofUsers];
}

/** A link is another name of a version that is there as well. */
function installations(files: System, folder: string): string[] {
  return files
    .list(folder)
    .map((name) => `${folder}/${name}`)
    .filter((path) => files.lstat(path)?.isDirectory() === true);
}

function foldersIn(files: System, library: string, uid: number): PythonFolder[] {
  return files
    .list(library)
    .filter((name) => /^python\d/.test(name))
    .flatMap((version) => FOLDERS.map((folder) => ({ directory: `${library}/${version}/${folder}/`, uid, files })));
}

/** `undefined` for what is no package. */
export function readPythonPackage(files: System, directory: string, entry: string): TableRow | undefined {
  if (!/\.(dist-info|egg-info)$/.test(entry)) return undefined;
  const path = `${directory.replace(/\/+$/, '')}/${entry}`;
  // Old distributions are a file, newer ones a folder.
  for (const file of [`${path}/METADATA`, `${path}/PKG-INFO`, path]) {
    const text = files.head(file, METADATA_BYTES);
    const metadata = text === undefined ? undefined : parsePythonMetadata(text);
    if (metadata !== undefined) return { ...metadata, path, directory };
  }
  return undefined;
}
