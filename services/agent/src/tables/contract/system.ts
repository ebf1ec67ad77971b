import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  type Dir,
  lstatSync,
  opendirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { bytesOfText, hasRawBytes, textOfBytes } from '@muster/protocol';
import type { CollectRequest, TableRow } from '@muster/tables';
import { BYTES, FOLDER, FoundFile } from './found-file.js';
import { type FolderOfUser, type Guard, linksCount, ownedBy } from './ownership.js';
import { complaintOf, type ProgramEnd, runToEnd } from './run-to-end.js';

/** Limit for a file that is read completely. Real files are far smaller. */
const READ_LIMIT = 64 * 1024 * 1024;
const CHUNK = 64 * 1024;
/** Limit for the entries of one folder. */
const LIST_LIMIT = 200_000;
/** Limit for a file that users control: what is made of it may need many times its memory. */
const USER_READ_LIMIT = 16 * 1024 * 1024;

export interface SystemOptions {
  /** Called with each path before it is touched. What it throws ends the statement. */
  readonly touch?: (path: string) => void;
  /** The process whose secrets must not be shown; this one unless given. */
  readonly agentPid?: number;
  /** Called for what is there and cannot be read, or not as a whole. */
  readonly warn?: CollectRequest['warn'];
}

/** What only a view of the system has that reads where users may put what they like. */
interface View {
  readonly guard: Guard;
  /** Called before each file and folder. What it throws ends the statement. */
  readonly checkpoint: () => void;
  /** Whether a path leads to a file system that may not answer: of what a user has, none of those is touched. */
  readonly mayHang?: ((path: string) => boolean) | undefined;
}

interface RunOptions {
  /** What it reads (`atDescriptor`), whatever their names lead to by then. */
  readonly files?: readonly FoundFile[];
  /** What keeps an end from being a whole answer; without it, any exit status but 0 does. */
  readonly faultsOf?: (end: ProgramEnd) => readonly string[];
  /** What it wrote is used all the same: it was asked for many things, and one of them is not there. */
  readonly keepOutput?: boolean;
}

/** What the system says of something that is not there, or not any more. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EINVAL', 'EISDIR', 'ENXIO']);
const scratch = Buffer.allocUnsafeSlow(CHUNK);

/**
 * File access of collectors: to the machine, or to a copied tree under another root. A missing file is `undefined`, and
 * so is one that cannot be read or is over a limit; of those `warn` is told. Names are bytes: in paths and names, bytes
 * that are not UTF-8 are as `textOfBytes` writes them.
 */
export class System {
  readonly #root: string;
  readonly #touch: (path: string) => void;
  readonly #agentPid: number;
  readonly #warn: CollectRequest['warn'];
  readonly #view: View | undefined;

  constructor(
    root = '/',
    { touch = () => {}, agentPid = process.pid, warn = () => {} }: SystemOptions = {},
    view?: View,
  ) {
    this.#warn = warn;
    this.#root = root;
    this.#touch = touch;
    this.#agentPid = agentPid;
    this.#view = view;
  }

  /** The same for files below a folder that a user controls: of those it reads what {@link ownedBy} lets through, 16 MiB at most. */
  ofUser(folder: FolderOfUser, { checkpoint, mayHang }: Pick<View, 'checkpoint' | 'mayHang'>): System {
    const directory = this.live ? folder.directory : join(this.#root, folder.directory);
    return this.#guarded({ guard: ownedBy({ ...folder, directory }, this.#root), checkpoint, mayHang });
  }

  /** The same for paths that a statement names, which may be anywhere: {@link linksCount} says which links are followed. */
  ofStatement(checkpoint: () => void): System {
    return this.#guarded({ guard: linksCount(this.#root), checkpoint });
  }

  /** The same, which tells `warn` what it cannot read: whether that matters may be known later. */
  telling(warn: CollectRequest['warn']): System {
    return new System(this.#root, { touch: this.#touch, agentPid: this.#agentPid, warn }, this.#view);
  }

  #guarded(view: View): System {
    const options = { touch: this.#touch, agentPid: this.#agentPid, warn: this.#warn };
    return new System(this.#root, options, view);
  }

  /** Tells that it is not touched. */
  #mayHang(path: string): boolean {
    if (this.#view?.mayHang?.(path) !== true) return false;
    this.#warn('unreadable', `${path}: on a file system of another machine or of a program, which may not answer`);
    return true;
  }

  /** False for a copied tree. The kernel and programs of this machine do not describe it. */
  get live(): boolean {
    return this.#root === '/';
  }

  /** Whether a process or thread is the agent's own; /proc answers to thread ids too. */
  isAgent(pid: number): boolean {
    if (!this.live) return false;
    return [this.#agentPid, process.pid].some((own) => this.exists(`/proc/${own}/task/${pid}`));
  }

  /** The path for a system call that follows at once. */
  real(path: string): string | Buffer {
    this.#touch(path);
    const real = this.live ? path : join(this.#root, path);
    return hasRawBytes(real) ? bytesOfText(real) : real;
  }

  /** Tells that something is there and cannot be read, by the error of the system call. */
  failed(path: string, error: unknown): undefined {
    const code = errorCode(error);
    if (ABSENT.has(code)) return;
    if (code === 'ENAMETOOLONG') this.#warn('too_large', `${path}: longer than a path may be`);
    else this.#warn('unreadable', `${path}: ${String(code ?? error)}`);
  }

  /** Reads a regular file as text. */
  text(path: string): string | undefined {
    const bytes = this.bytes(path);
    return bytes && textOfBytes(bytes);
  }

  /** Reads a file as trimmed text. `undefined` when it is empty. */
  word(path: string): string | undefined {
    const text = this.head(path, CHUNK)?.trim();
    return text === undefined || text === '' ? undefined : text;
  }

  /** Reads the first `limit` bytes as text. */
  head(path: string, limit: number): string | undefined {
    const bytes = this.#read(path, limit);
    return bytes && textOfBytes(bytes);
  }

  /** Reads a regular file completely. */
  bytes(path: string): Buffer | undefined {
    const limit = this.#view === undefined ? READ_LIMIT : USER_READ_LIMIT;
    const bytes = this.#read(path, limit);
    if (bytes === undefined || bytes.length < limit) return bytes;
    this.#warn('too_large', `${path} has ${limit} bytes or more, and is not read`);
    return undefined;
  }

  #read(path: string, limit: number): Buffer | undefined {
    const fd = this.open(path);
    if (fd === undefined) return undefined;
    try {
      return readAll(fd, limit, scratch);
    } catch (error) {
      return this.failed(path, error);
    } finally {
      closeSync(fd);
    }
  }

  /** Opens a regular file, and nothing else: pipes and devices may block forever. The caller closes the descriptor. */
  open(path: string): number | undefined {
    return this.#find(path, (found) => (found.stats.isFile() ? found.open() : undefined));
  }

  /** Whether a regular file is at the path, and is read by this view of the system. It is not opened. */
  hasFile(path: string): boolean {
    return this.#find(path, ({ stats }) => stats.isFile()) === true;
  }

  /** Lists the names in a folder, sorted. */
  list(path: string): string[] {
    const directory =
      this.#view === undefined ? this.#openFolder(path) : this.#find(path, (found) => found.openFolder());
    if (directory === undefined) return [];
    try {
      return this.#names(path, directory).sort();
    } finally {
      directory.closeSync();
    }
  }

  /** The process or folder may disappear meanwhile; the names read so far are valid. */
  #names(path: string, directory: Dir): string[] {
    const names: string[] = [];
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (names.length === LIST_LIMIT) {
          this.#warn('too_large', `${path} has more than ${LIST_LIMIT} entries; the others are not read`);
          break;
        }
        names.push(nameOf(entry.name));
      }
    } catch (error) {
      this.failed(path, error);
    }
    return names;
  }

  #openFolder(path: string): Dir | undefined {
    const real = this.real(path);
    try {
      return opendirSync(real, FOLDER);
    } catch (error) {
      return this.failed(path, error);
    }
  }

  /** Uses what is at the path before anything is opened. `undefined` where there is nothing, or nothing for this view. */
  #find<T>(path: string, use: (found: FoundFile) => T): T | undefined {
    const found = this.find(path);
    try {
      return found && use(found);
    } catch (error) {
      return this.failed(path, error);
    } finally {
      found?.close();
    }
  }

  /** What is at the path, not opened. `undefined` where there is nothing, or nothing for this view. The caller closes it. */
  find(path: string): FoundFile | undefined {
    if (this.#mayHang(path)) return undefined;
    const real = this.real(path);
    this.#view?.checkpoint();
    let found: FoundFile | undefined;
    try {
      found = FoundFile.at(real);
      const why = this.#view?.guard(textOf(real), found);
      if (why === undefined) return found;
      this.#warn('unreadable', `${path} ${why}, and is not read`);
    } catch (error) {
      this.failed(path, error);
    }
    found?.close();
    return undefined;
  }

  /** The target of a symbolic link, unresolved. */
  link(path: string): string | undefined {
    if (this.#mayHang(path)) return undefined;
    const real = this.real(path);
    try {
      return nameOf(readlinkSync(real, { encoding: BYTES }));
    } catch (error) {
      return this.failed(path, error);
    }
  }

  /** The path with all links resolved. */
  realPath(path: string): string | undefined {
    if (this.#mayHang(path)) return undefined;
    const real = this.real(path);
    try {
      const found = nameOf(realpathSync.native(real, { encoding: BYTES }));
      return this.live ? found : `/${relative(this.#root, found)}`;
    } catch (error) {
      return this.failed(path, error);
    }
  }

  /** Follows links. */
  stat(path: string): BigIntStats | undefined {
    if (this.#mayHang(path)) return undefined;
    const real = this.real(path);
    try {
      return statSync(real, { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      return this.failed(path, error);
    }
  }

  /** Does not follow links. */
  lstat(path: string): BigIntStats | undefined {
    if (this.#mayHang(path)) return undefined;
    const real = this.real(path);
    try {
      return lstatSync(real, { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      return this.failed(path, error);
    }
  }

  exists(path: string): boolean {
    if (this.#mayHang(path)) return false;
    const real = this.real(path);
    try {
      accessSync(real, constants.F_OK);
      return true;
    } catch {
      return false;
    }
  }

  isDirectory(path: string): boolean {
    return this.stat(path)?.isDirectory() === true;
  }

  /**
   * Runs a program by its absolute path and returns its output. `undefined` when it is missing, fails or takes over five seconds; of
   * each but the first `warn` is told.
   */
  run(
    program: string,
    args: readonly string[],
    {
      files = [],
      faultsOf = (end) => (end.status === 0 ? [] : [complaintOf(program, end)]),
      keepOutput = false,
    }: RunOptions = {},
  ): string | undefined {
    if (!this.live || !this.exists(program)) return undefined;
    // From here on it is the program that may take its time, and no path.
    this.#touch('');
    const end = runToEnd(
      program,
      args,
      files.map(({ fd }) => fd),
    );
    if (!('status' in end)) {
      this.#warn(end.code, end.message);
      return undefined;
    }
    const faults = faultsOf(end);
    for (const fault of faults) this.#warn('unreadable', fault);
    return faults.length === 0 || keepOutput ? end.stdout : undefined;
  }
}

/** Reads one table of one platform. Skips what it cannot read. Throws only when the time of the statement is over. */
export interface Collector {
  readonly table: string;
  collect(system: System, request: CollectRequest): Iterable<TableRow>;
}

/** The code of an error of a system call. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function textOf(path: string | Buffer): string {
  return typeof path === 'string' ? path : textOfBytes(path);
}

function nameOf(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? textOfBytes(Buffer.from(bytes, BYTES)) : bytes;
}

/** Reads until the end of the file, because kernel files report size 0. Most files fit in `scratch`, which saves allocations. */
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

/** A result below `size` means the end of the file. */
function fill(fd: number, buffer: Buffer, size: number): number {
  let length = 0;
  while (length < size) {
    const read = readSync(fd, buffer, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}
