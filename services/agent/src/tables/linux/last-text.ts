import { closeSync, fstatSync, readSync } from 'node:fs';
import { textOfBytes } from '@muster/protocol';
import type { CollectRequest } from '@muster/tables';
import { errorCode, type System } from '../contract/system.js';

/** What is read of one file of a user: so much that no real one is larger, and no more than a statement has time for. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_LINES = 200_000;

export interface LastText {
  readonly path: string;
  /** A larger file is none that is looked for. */
  readonly maxBytes?: number;
}

/** The text of a file that grows at its end, such as a history. Of a larger one the last 16 MiB and 200,000 lines. */
export function lastText(
  files: System,
  request: CollectRequest,
  { path, maxBytes = Infinity }: LastText,
): string | undefined {
  const fd = files.open(path);
  if (fd === undefined) return undefined;
  try {
    const { size } = fstatSync(fd);
    if (size > maxBytes) return undefined;
    const start = Math.max(0, size - MAX_BYTES);
    if (start > 0) request.warn('too_large', `${path} has ${size} bytes; only the last ${MAX_BYTES} are read`);
    const text = textOfBytes(readFrom(fd, start, request));
    return lastLines(start === 0 ? text : text.slice(text.indexOf('\n') + 1), path, request);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return files.failed(path, error);
  } finally {
    closeSync(fd);
  }
}

function lastLines(text: string, path: string, request: CollectRequest): string {
  let from = text.length - 1;
  for (let lines = 0; from > 0 && lines < MAX_LINES; lines += 1) from = text.lastIndexOf('\n', from - 1);
  if (from <= 0) return text;
  request.warn('too_large', `${path}: only the last ${MAX_LINES} lines are read`);
  return text.slice(from + 1);
}

function readFrom(fd: number, start: number, request: CollectRequest): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < MAX_BYTES) {
    request.checkpoint();
    const chunk = Buffer.allocUnsafe(Math.min(64 * 1024, MAX_BYTES - length));
    const read = readSync(fd, chunk, 0, chunk.length, start + length);
    if (read === 0) break;
    chunks.push(chunk.subarray(0, read));
    length += read;
  }
  return Buffer.concat(chunks, length);
}
