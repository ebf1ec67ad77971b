import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 256 * 1024;
/** What is written, or left out, at a time. */
const BLOCK = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK);

/**
 * Reads `from` completely and copies it to `to` if given, an empty file. Blocks of zeros become holes, so that a file
 * with holes does not take the room of its size. Resolves to its SHA-256 in hex and its size in bytes. Throws file
 * system errors, and the reason of `signal` when aborted.
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
    if (bytesRead === 0) {
      await to?.truncate(size);
      return { sha256: hash.digest('hex'), size };
    }
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    for (let at = 0; to !== undefined && at < bytesRead; at += BLOCK) {
      const block = chunk.subarray(at, at + BLOCK);
      if (!block.equals(ZEROS.subarray(0, block.length))) await writeAll(to, block, size + at);
    }
    size += bytesRead;
  }
}

async function writeAll(to: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await to.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
