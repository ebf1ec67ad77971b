import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small file system of its own, in memory, that can be filled up. It takes root, and Linux. */
export class SmallDisk {
  /** The mount point. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Why there can be none here, or `undefined`. */
  static missing(): string | undefined {
    if (process.platform !== 'linux') return 'no tmpfs';
    const disk = SmallDisk.#mount(64 * 1024);
    if (typeof disk === 'string') return `a tmpfs cannot be mounted: ${disk}`;
    disk.end();
    return undefined;
  }

  /** Throws where it cannot be mounted. */
  static mount(bytes: number): SmallDisk {
    const disk = SmallDisk.#mount(bytes);
    if (typeof disk === 'string') throw new Error(disk);
    return disk;
  }

  /** Takes all room that is left: no byte can be added to any file. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (let bytes = 64 * 1024; bytes >= 1;) {
        try {
          if (writeSync(file, Buffer.alloc(bytes)) > 0) continue;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
        bytes = Math.floor(bytes / 2);
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }

  /** Unmounts it; what still uses it goes on until it ends. */
  end(): void {
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }

  /** Beside what a test puts in it. */
  get #filler(): string {
    return join(this.path, 'filler');
  }

  static #mount(bytes: number): SmallDisk | string {
    const path = mkdtempSync(join(tmpdir(), 'muster-disk-'));
    const { status, stderr, error } = spawnSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${bytes},mode=700`,
      'tmpfs',
      path,
    ]);
    if (status === 0) return new SmallDisk(path);
    rmSync(path, { recursive: true, force: true });
    return error?.message ?? String(stderr).trim();
  }
}
