import { closeSync, openSync, readSync } from 'node:fs';

const FIRST_BYTES = 4 * 1024;
/** Larger files are not read: `/proc/stat` of a thousand processors has 200 KB. */
const MAX_BYTES = 2 * 1024 * 1024;

/**
 * A file of `/proc` that is read again and again. It stays open, because reading it at offset 0 takes half as long as
 * opening it. The kernel makes its text at each reading, without any disk.
 */
export class KernelFile {
  readonly #path: string;
  #fd: number | undefined;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);

  constructor(path: string) {
    this.#path = path;
  }

  /** Its bytes, valid until the next call; `undefined` when it cannot be read. */
  read(): Buffer | undefined {
    try {
      this.#fd ??= openSync(this.#path, 'r');
      return this.#readAll(this.#fd);
    } catch {
      this.close();
      return undefined;
    }
  }

  close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    try {
      closeSync(fd);
    } catch {
      // It was closed already: there is nothing left to release.
    }
  }

  #readAll(fd: number): Buffer | undefined {
    let length = 0;
    for (;;) {
      // One call gives at most what the kernel has ready, for many files one page.
      const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, length);
      if (read === 0) return this.#buffer.subarray(0, length);
      length += read;
      if (length < this.#buffer.length) continue;
      if (length >= MAX_BYTES) return undefined;
      const larger = Buffer.allocUnsafeSlow(2 * this.#buffer.length);
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
  }
}
