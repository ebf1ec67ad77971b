import { constants } from 'node:fs';
import { copyFile, link, lstat, open, rm, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { isErrno } from '../../store/atomic-file.js';
import { copyContent } from './copy-content.js';
import { DirectoryHandle } from './directory-handle.js';
import type { QuarantineStore, QuarantineItem } from './quarantine-store.js';

/** Why a file was not restored. The item stays in the store. */
export interface RestoreFailure {
  readonly code: 'exists' | 'no_folder' | 'folder_moved' | 'corrupt' | 'changed';
  readonly message: string;
}

/**
 * Restores a file to its path with owner, mode and times, and never overwrites. It is written to a temporary name and
 * then linked, which fails when the name exists. Its folder must still have the same real path; otherwise a link could
 * redirect the file anywhere.
 */
export async function restoreItem(
  store: QuarantineStore,
  item: QuarantineItem,
  signal: AbortSignal,
): Promise<RestoreFailure | undefined> {
  const blocked = await withFolder(item, (folder) => writeInto(folder, store, item, signal));
  if (blocked === undefined) await store.remove(item.id);
  return blocked;
}

/** Checks whether a restore would succeed now. */
export async function checkRestore(
  store: QuarantineStore,
  item: QuarantineItem,
  signal: AbortSignal,
): Promise<RestoreFailure | undefined> {
  return withFolder(item, async (folder) => {
    if (await exists(folder, item)) return alreadyExists(item);
    const content = await store.open(item.id);
    try {
      return isContentOf(item, await copyContent(content, undefined, signal)) ? undefined : corrupt(item);
    } finally {
      await content.close();
    }
  });
}

async function withFolder(
  item: QuarantineItem,
  work: (folder: DirectoryHandle) => Promise<RestoreFailure | undefined>,
): Promise<RestoreFailure | undefined> {
  const path = dirname(item.path);
  let folder: DirectoryHandle;
  try {
    folder = await DirectoryHandle.open(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) throw error;
    return { code: 'no_folder', message: `there is no folder ${path} any more` };
  }
  try {
    if (folder.path !== path) return { code: 'folder_moved', message: `${path} now leads to ${folder.path}` };
    return await work(folder);
  } finally {
    await folder.close();
  }
}

async function writeInto(
  folder: DirectoryHandle,
  store: QuarantineStore,
  item: QuarantineItem,
  signal: AbortSignal,
): Promise<RestoreFailure | undefined> {
  if (await exists(folder, item)) return alreadyExists(item);
  const draft = folder.entry(`.muster-${randomBytes(8).toString('hex')}`);
  const content = await store.open(item.id);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      if (!isContentOf(item, await copyContent(content, file, signal))) return corrupt(item);
      await restoreAttributes(file, item);
      await file.sync();
      const how = await linkInto(draft, folder.entry(basename(item.path)));
      if (how === 'taken') return alreadyExists(item);
      if (how === 'linked' && !(await isNamed(folder, item, file))) {
        return { code: 'changed', message: `something else was put in place of ${item.path} while it was put back` };
      }
    } finally {
      await file.close();
    }
  } finally {
    await content.close();
    await rm(draft, { force: true });
  }
  await folder.flush();
  return undefined;
}

/** Owner first, because changing it clears the set-user-id bits. */
async function restoreAttributes(file: FileHandle, item: QuarantineItem): Promise<void> {
  if (process.platform !== 'win32') {
    await file.chown(item.uid, item.gid);
    await file.chmod(item.mode & 0o7777);
  }
  await file.utimes(item.accessedMs / 1000, item.modifiedMs / 1000);
}

/** On file systems without hard links the file is copied exclusively. */
async function linkInto(draft: string | Buffer, path: string | Buffer): Promise<'linked' | 'copied' | 'taken'> {
  try {
    await link(draft, path);
    return 'linked';
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return 'taken';
    if (!isErrno(error, 'EPERM') && !isErrno(error, 'ENOTSUP') && !isErrno(error, 'EOPNOTSUPP')) throw error;
  }
  try {
    await copyFile(draft, path, constants.COPYFILE_EXCL);
    return 'copied';
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return 'taken';
    throw error;
  }
}

async function isNamed(folder: DirectoryHandle, item: QuarantineItem, file: FileHandle): Promise<boolean> {
  const [ours, named] = await Promise.all([
    file.stat({ bigint: true }),
    lstat(folder.entry(basename(item.path)), { bigint: true }),
  ]);
  return ours.dev === named.dev && ours.ino === named.ino;
}

function exists(folder: DirectoryHandle, item: QuarantineItem): Promise<boolean> {
  return lstat(folder.entry(basename(item.path))).then(
    () => true,
    (error: unknown) => {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

function isContentOf(item: QuarantineItem, { sha256, size }: { sha256: string; size: number }): boolean {
  return sha256 === item.sha256 && size === item.size;
}

function alreadyExists(item: QuarantineItem): RestoreFailure {
  return { code: 'exists', message: `there is a file ${item.path} again; it is not overwritten` };
}

function corrupt(item: QuarantineItem): RestoreFailure {
  return { code: 'corrupt', message: `what is kept of ${item.path} is not what was taken` };
}
