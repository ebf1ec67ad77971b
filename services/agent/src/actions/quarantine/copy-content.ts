import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 256 * 1024;

/**
 * Reads `from` completely and copies it to `to` if given. Resolves to its SHA-256 in hex and its size in bytes. Throws
 * file system errors, and the reason of `signal` when aborted.
 */
export async function copyContent(
  from: FileHandle,
  to: FileHandle | undefined,
  signal: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let size = 0; ;) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, CHUNK, size);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size };
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    for (let at = 0; to !== undefined && at < bytesRead;) {
      at += (await to.write(chunk, at, bytesRead - at, size + at)).bytesWritten;
    }
    size += bytesRead;
  }
}
