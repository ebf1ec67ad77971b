import { execFileSync } from 'node:child_process';
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  type Dir,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  opendirSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

/** What we read whole is far smaller everywhere; more would not fit in the memory that an agent may have. */
const READ_LIMIT = 64 * 1024 * 1024;
const CHUNK = 64 * 1024;
/** Entries of one folder, for the same reason. */
const LIST_LIMIT = 200_000;
const COMMAND_MS = 5_000;

/**
 * The machine that collectors look at, or a copy of its tree under another root. A file that is gone, or may not be read, is
 * `undefined` and no error, because both happen all the time while one looks at a running system. Only what is too large throws: to
 * answer with a part of it would not be the truth.
 */
export class System {
  readonly #root: string;
  readonly #scratch = Buffer.allocUnsafeSlow(CHUNK);

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
  text(path: string): string | undefined {
    return this.bytes(path)?.toString('utf8');
  }

  /** The text with white space around it removed; `undefined` when nothing is left. */
  word(path: string): string | undefined {
    const text = this.head(path, CHUNK)?.trim();
    return text === undefined || text === '' ? undefined : text;
  }

  /** The first `limit` bytes as text, for files whose beginning says all. */
  head(path: string, limit: number): string | undefined {
    return this.#read(path, limit)?.toString('utf8');
  }

  /** All of a regular file. */
  bytes(path: string): Buffer | undefined {
    const bytes = this.#read(path, READ_LIMIT);
    if (bytes?.length === READ_LIMIT) throw new RangeError(`${path} has ${READ_LIMIT} bytes or more`);
    return bytes;
  }

  /** Opens without waiting and reads regular files only: pipes and devices could keep us for ever. */
  #read(path: string, limit: number): Buffer | undefined {
    const fd = this.open(path);
    if (fd === undefined) return undefined;
    try {
      return readAll(fd, limit, this.#scratch);
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
    let directory: Dir;
    try {
      directory = opendirSync(this.real(path), { bufferSize: 512 });
    } catch {
      return [];
    }
    try {
      return readNames(directory, path).sort();
    } finally {
      directory.closeSync();
    }
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

function readNames(directory: Dir, path: string): string[] {
  const names: string[] = [];
  for (;;) {
    let entry: Dirent | null;
    try {
      entry = directory.readSync();
    } catch {
      // The process or the folder went away while we looked; what was listed until then was true.
      return names;
    }
    if (entry === null) return names;
    if (names.push(entry.name) > LIST_LIMIT) throw new RangeError(`${path} has more than ${LIST_LIMIT} entries`);
  }
}

/**
 * Files of the kernel say that they have no size, so reading goes on until there is no more. Nearly all fit in `scratch`, which
 * saves an allocation for each.
 */
function readAll(fd: number, limit: number, scratch: Buffer): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < limit) {
    const filled = fill(fd, scratch, Math.min(scratch.length, limit - length));
    if (filled === 0) break;
    chunks.push(Buffer.from(scratch.subarray(0, filled)));
    length += filled;
    if (filled < scratch.length) break;
  }
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, length);
}

/** Less than `size` means that the file has ended. */
function fill(fd: number, buffer: Buffer, size: number): number {
  let length = 0;
  while (length < size) {
    const read = readSync(fd, buffer, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}
