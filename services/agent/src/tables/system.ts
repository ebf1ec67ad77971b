import { execFileSync } from 'node:child_process';
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  opendirSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

/** Larger files of configuration or of the kernel do not exist; larger databases are read by their own means. */
const READ_LIMIT = 64 * 1024 * 1024;
const CHUNK = 64 * 1024;
/** More entries than this in one folder are not listed, so that a folder of millions does not fill the memory. */
const LIST_LIMIT = 100_000;
const COMMAND_MS = 5_000;

/**
 * The machine that collectors look at, or a copy of its tree under another root. Nothing here throws: a file that is gone, or may
 * not be read, is `undefined`, because both happen all the time while one looks at a running system.
 */
export class System {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /** False for a copied tree: the kernel and the programs of this machine know nothing about it. */
  get live(): boolean {
    return this.#root === '/';
  }

  /** The path to give to the operating system. */
  real(path: string): string {
    return this.live ? path : join(this.#root, path);
  }

  /** A regular file as UTF-8. */
  text(path: string, limit = READ_LIMIT): string | undefined {
    return this.bytes(path, limit)?.toString('utf8');
  }

  /** The text with white space around it removed; `undefined` when nothing is left. */
  word(path: string): string | undefined {
    const text = this.text(path, CHUNK)?.trim();
    return text === undefined || text === '' ? undefined : text;
  }

  /** Opens without waiting and reads regular files only: pipes and devices could keep us for ever. */
  bytes(path: string, limit = READ_LIMIT): Buffer | undefined {
    const fd = this.open(path);
    if (fd === undefined) return undefined;
    try {
      return readAll(fd, limit);
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** A descriptor of a regular file, for the caller to close. */
  open(path: string): number | undefined {
    let fd: number;
    try {
      fd = openSync(this.real(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      return undefined;
    }
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    return undefined;
  }

  /** Names in a folder, sorted. */
  list(path: string): string[] {
    const names: string[] = [];
    try {
      const directory = opendirSync(this.real(path));
      try {
        for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
          if (names.push(entry.name) >= LIST_LIMIT) break;
        }
      } finally {
        directory.closeSync();
      }
    } catch {
      // What was listed until then is still true.
    }
    return names.sort();
  }

  /** What a symbolic link says, as it says it. */
  link(path: string): string | undefined {
    try {
      return readlinkSync(this.real(path));
    } catch {
      return undefined;
    }
  }

  /** Follows links. */
  stat(path: string): BigIntStats | undefined {
    try {
      return statSync(this.real(path), { bigint: true, throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  /** Does not follow links. */
  lstat(path: string): BigIntStats | undefined {
    try {
      return lstatSync(this.real(path), { bigint: true, throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  exists(path: string): boolean {
    try {
      accessSync(this.real(path), constants.F_OK);
      return true;
    } catch {
      return false;
    }
  }

  isDirectory(path: string): boolean {
    return this.stat(path)?.isDirectory() === true;
  }

  /** Output of a program given by its absolute path; `undefined` when it is absent, fails or takes longer than five seconds. */
  run(program: string, args: readonly string[]): string | undefined {
    if (!this.live || !this.exists(program)) return undefined;
    try {
      return execFileSync(program, args, {
        encoding: 'utf8',
        timeout: COMMAND_MS,
        killSignal: 'SIGKILL',
        maxBuffer: READ_LIMIT,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
        cwd: '/',
      });
    } catch {
      return undefined;
    }
  }
}

/** Files of the kernel say that they have no size, so reading goes on until there is no more. */
function readAll(fd: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < limit) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, limit - length));
    const read = readSync(fd, chunk, 0, chunk.length, null);
    if (read === 0) break;
    chunks.push(read === chunk.length ? chunk : chunk.subarray(0, read));
    length += read;
  }
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, length);
}
