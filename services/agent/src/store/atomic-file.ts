import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';

/**
 * Replaces a file so that after a crash or a power cut it has either the old or the new content: writes a temporary
 * file in the same folder, flushes it, renames it, and flushes the folder. Only the owner can read the file. Throws the
 * errors of the file system.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  flushFolder(folder);
}

/**
 * The file's text, or `undefined` when it does not exist. Throws on any other error, so that an unreadable key never
 * counts as absent.
 */
export function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Creates a folder that only this user can read, and its parents. */
export function ensurePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (isErrno(error, 'EEXIST') && statSync(path).isDirectory()) return;
    const above = dirname(path);
    // Where the parent exists but nothing can be created in it (/proc), Node's own `recursive` never ends.
    if (!isErrno(error, 'ENOENT') || above === path || existsSync(above)) throw error;
    ensurePrivateFolder(above);
    ensurePrivateFolder(path);
  }
}

/** Whether `error` is a system error with this code. */
export function isErrno(error: unknown, code: string): boolean {
  // Not `instanceof`, which is false across realms (Jest, worker threads).
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

function flushFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // Windows cannot open folders, and some file systems cannot flush them. The rename is done anyway.
  }
}
