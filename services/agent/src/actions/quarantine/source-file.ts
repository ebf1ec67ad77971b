import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { isErrno } from '../../store/atomic-file.js';
import { resolveLinks, type Way } from '../../tables/contract/ownership.js';
import { DirectoryHandle } from './directory-handle.js';

/** Why a path cannot be quarantined. */
export interface SourceFileFault {
  readonly code: 'bad_path' | 'not_found' | 'symlink' | 'not_a_file' | 'changed';
  readonly message: string;
}

/**
 * A regular file, open together with its folder. Reading, copying and removing affect the same file, whatever happens
 * to its path. Links in the folder's path are resolved; a link in place of the file is not followed. Other kinds of
 * files are not opened: opening a pipe blocks, and opening a device may have effects.
 */
export class SourceFile {
  /** The real path. */
  readonly path: string;
  readonly handle: FileHandle;
  readonly stats: BigIntStats;
  readonly #folder: DirectoryHandle;
  readonly #name: string;

  private constructor(folder: DirectoryHandle, name: string, handle: FileHandle, stats: BigIntStats) {
    this.path = join(folder.path, name);
    this.#folder = folder;
    this.#name = name;
    this.handle = handle;
    this.stats = stats;
  }

  /** Throws file system errors other than those in {@link SourceFileFault}. */
  static async open(path: string): Promise<SourceFile | SourceFileFault> {
    if (!isAbsolute(path) || path.includes('\0') || normalize(path) !== path || path.endsWith('/')) {
      return { code: 'bad_path', message: `"${path}" is not an absolute path without ".." or "//"` };
    }
    const name = basename(path);
    let folder: DirectoryHandle | undefined;
    try {
      folder = await DirectoryHandle.open(dirname(path));
      const found = await openRegular(folder, name, path);
      if ('code' in found) {
        await folder.close();
        return found;
      }
      const source = new SourceFile(folder, name, found.handle, found.stats);
      const fault = leadsAstray(path, source);
      if (fault !== undefined) await source.close();
      return fault ?? source;
    } catch (error) {
      await folder?.close();
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
        return { code: 'not_found', message: `there is no file ${path}` };
      }
      throw error;
    }
  }

  /** Whether the content is unchanged since opening and the name still leads to this file. */
  async isUnchanged(): Promise<boolean> {
    const now = await this.handle.stat({ bigint: true });
    const named = await lstat(this.#folder.entry(this.#name), { bigint: true }).catch(() => undefined);
    const isSameContent =
      now.size === this.stats.size && now.mtimeNs === this.stats.mtimeNs && now.ctimeNs === this.stats.ctimeNs;
    return isSameContent && named !== undefined && isSameFile(named, this.stats);
  }

  /** Unlinks the file durably. Resolves to whether the unlinked name was this file's. When it throws, nothing was unlinked. */
  async remove(): Promise<boolean> {
    await unlink(this.#folder.entry(this.#name));
    await this.#folder.flush();
    const after = await this.handle.stat({ bigint: true }).catch(() => undefined);
    return after === undefined || after.nlink < this.stats.nlink;
  }

  async close(): Promise<void> {
    await this.handle.close();
    await this.#folder.close();
  }
}

/**
 * A user with a link on the path would choose which file of another one is taken. Windows has no such owners.
 */
function leadsAstray(path: string, { path: real, stats }: SourceFile): SourceFileFault | undefined {
  if (process.platform === 'win32') return undefined;
  const way = wayTo(dirname(path));
  if (way?.path !== dirname(real)) return { code: 'changed', message: `a folder of ${path} is being replaced` };
  const maker = way.owners.find((uid) => uid !== 0 && uid !== Number(stats.uid));
  if (maker === undefined) return undefined;
  const message = `a link of user ${maker} is on the way to ${path}, which leads to ${real} of user ${stats.uid}`;
  return { code: 'symlink', message };
}

function wayTo(path: string): Way | undefined {
  try {
    return resolveLinks(path);
  } catch {
    return undefined;
  }
}

async function openRegular(
  folder: DirectoryHandle,
  name: string,
  path: string,
): Promise<{ handle: FileHandle; stats: BigIntStats } | SourceFileFault> {
  const before = await lstat(folder.entry(name), { bigint: true });
  if (before.isSymbolicLink()) return { code: 'symlink', message: `${path} is a symbolic link` };
  if (!before.isFile()) return { code: 'not_a_file', message: `${path} is not a regular file` };
  let handle: FileHandle;
  try {
    handle = await open(folder.entry(name), OPEN_FLAGS);
  } catch (error) {
    if (isErrno(error, 'ELOOP')) return { code: 'changed', message: `${path} has just become a symbolic link` };
    throw error;
  }
  const stats = await handle.stat({ bigint: true });
  if (stats.isFile() && isSameFile(stats, before)) return { handle, stats };
  await handle.close();
  return { code: 'changed', message: `${path} is being replaced` };
}

function isSameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Non-blocking, in case the file has become a pipe. Windows has neither flag. */
const OPEN_FLAGS =
  process.platform === 'win32' ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
