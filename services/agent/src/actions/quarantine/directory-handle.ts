import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A folder held open. On Linux whatever is done to `at(name)` is done in this very folder, even when somebody swaps a part of its path for a
 * link in the meantime (path_resolution(7): the entries of /proc/self/fd lead to the open file itself). Elsewhere the resolved path must do.
 */
export class DirectoryHandle {
  /** Where it really is, links resolved. */
  readonly path: string;
  readonly #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle | undefined) {
    this.path = path;
    this.#handle = handle;
  }

  /** Throws what the file system throws. */
  static async open(path: string): Promise<DirectoryHandle> {
    if (process.platform === 'win32') return new DirectoryHandle(await realpath(path), undefined);
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const real = process.platform === 'linux' ? readlinkSync(`/proc/self/fd/${handle.fd}`) : await realpath(path);
      return new DirectoryHandle(real, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** What to call an entry when talking to the system. */
  entry(name: string): string {
    if (process.platform === 'linux' && this.#handle !== undefined) return `/proc/self/fd/${this.#handle.fd}/${name}`;
    return join(this.path, name);
  }

  /** Makes what was created and removed in it survive a power cut. Some file systems cannot; there it stays as it is. */
  async flush(): Promise<void> {
    await this.#handle?.sync().catch(() => {});
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}
