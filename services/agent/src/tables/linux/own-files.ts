import { closeSync, fstatSync, readlinkSync, readSync } from 'node:fs';
import { textOfBytes } from '@muster/protocol';
import type { CollectRequest } from '@muster/tables';
import { errorCode, type System } from '../contract/system.js';
import type { Account } from './parse/accounts.js';

/** What is read of one file of a user: so much that no real one is larger, and no more than a statement has time for. */
const OWN_FILE_BYTES = 16 * 1024 * 1024;
const OWN_FILE_LINES = 200_000;

export interface OwnFile {
  readonly account: Pick<Account, 'uid' | 'directory'>;
  readonly path: string;
  /** A larger file is none that is looked for. */
  readonly maxBytes?: number;
}

/**
 * The text of a file in somebody's home. A link, a mount or another name may lead from there to what that user may not read, and
 * the agent may: a file counts when it is the user's own, or really in that home. Of a larger one the end is read.
 */
export function ownText(
  system: System,
  request: CollectRequest,
  { account, path, maxBytes = Infinity }: OwnFile,
): string | undefined {
  const fd = system.open(path);
  if (fd === undefined) return undefined;
  try {
    const { uid, size, nlink } = fstatSync(fd);
    if (size > maxBytes) return undefined;
    // Looked up on the open file: the name may lead elsewhere a moment later.
    if (uid !== account.uid && (nlink > 1 || !isInside(system, fd, account.directory))) {
      request.warn('unreadable', `${path} leads to a file of another user outside of this home, and is not read`);
      return undefined;
    }
    const start = Math.max(0, size - OWN_FILE_BYTES);
    if (start > 0) request.warn('too_large', `${path} has ${size} bytes; only the last ${OWN_FILE_BYTES} are read`);
    const text = textOfBytes(readFrom(fd, start, request));
    return lastLines(start === 0 ? text : text.slice(text.indexOf('\n') + 1), path, request);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return system.failed(path, error);
  } finally {
    closeSync(fd);
  }
}

function lastLines(text: string, path: string, request: CollectRequest): string {
  let from = text.length - 1;
  for (let lines = 0; from > 0 && lines < OWN_FILE_LINES; lines += 1) from = text.lastIndexOf('\n', from - 1);
  if (from <= 0) return text;
  request.warn('too_large', `${path}: only the last ${OWN_FILE_LINES} lines are read`);
  return text.slice(from + 1);
}

function isInside(system: System, fd: number, directory: string): boolean {
  // Of a copied tree nobody else can change the files meanwhile.
  if (!system.live) return true;
  const home = system.realPath(directory);
  return home !== undefined && home !== '/' && readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${home}/`);
}

function readFrom(fd: number, start: number, request: CollectRequest): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < OWN_FILE_BYTES) {
    request.checkpoint();
    const chunk = Buffer.allocUnsafe(Math.min(64 * 1024, OWN_FILE_BYTES - length));
    const read = readSync(fd, chunk, 0, chunk.length, start + length);
    if (read === 0) break;
    chunks.push(chunk.subarray(0, read));
    length += read;
  }
  return Buffer.concat(chunks, length);
}
