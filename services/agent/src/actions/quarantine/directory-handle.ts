import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOfText, hasRawBytes, textOfBytes } from '@muster/protocol';

/**
 * An open directory. On Linux, operations on `entry(name)` happen in this directory even when somebody replaces a part
 * of its path by a link: entries of /proc/self/fd lead to the open file itself (path_resolution(7)). Other systems use
 * the resolved path.
 */
export class DirectoryHandle {
  /** The real path, with links resolved. */
  readonly path: string;
  readonly #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle | undefined) {
    this.path = path;
    this.#handle = handle;
  }

  /** Throws file system errors. */
  static async open(path: string): Promise<DirectoryHandle> {
    if (process.platform === 'win32') return new DirectoryHandle(await realpath(path), undefined);
    const handle = await open(systemPath(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const linked = `/proc/self/fd/${handle.fd}`;
      const real =
        process.platform === 'linux' ? textOfBytes(readlinkSync(linked, { encoding: 'buffer' })) : await realpath(path);
      return new DirectoryHandle(real, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The path of an entry for system calls. */
  entry(name: string): string | Buffer {
    const isOpen = process.platform === 'linux' && this.#handle !== undefined;
    return systemPath(isOpen ? `/proc/self/fd/${this.#handle?.fd}/${name}` : join(this.path, name));
  }

  /** Flushes created and removed entries to disk. Ignored where the file system does not support it. */
  async flush(): Promise<void> {
    await this.#handle?.sync().catch(() => {});
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

/** A path that names bytes that are not UTF-8, for a system call. */
function systemPath(path: string): string | Buffer {
  return process.platform === 'linux' && hasRawBytes(path) ? bytesOfText(path) : path;
}
