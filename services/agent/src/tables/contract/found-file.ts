import { closeSync, constants, type Dir, fstatSync, opendirSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { textOfBytes } from '@muster/protocol';

/** Linux's O_PATH (open(2)), which Node.js does not name: what is there is found, and not opened. */
const O_PATH = 0o10_000_000;
const IS_LINUX = process.platform === 'linux';
/** What is found is opened for reading without waiting, and never becomes the terminal of the process. */
const READ = constants.O_RDONLY | (IS_LINUX ? constants.O_NONBLOCK | constants.O_NOCTTY : 0);

/** Each byte as one character. */
export const BYTES = 'latin1';
/** How folders are read. */
export const FOLDER = { bufferSize: 512, encoding: BYTES } as const;

/**
 * The kernel's own files are no devices, and many are read for one answer: finding each first would double the time. Not those that
 * `..`, or a link of the kernel to what a process has, leads away from there.
 */
function isOfKernel(path: string | Buffer): boolean {
  return typeof path === 'string' && /^\/(proc|sys)\/(?!(.*\/)?(\.\.|root|cwd|fd|map_files)(\/|$))/s.test(path);
}

/**
 * What a path leads to, held by a descriptor before anything is opened: to open a device may do something (a watchdog starts,
 * a tape goes back), and to open a pipe wakes who waits at its other end. Only Linux can; elsewhere a file is opened at once.
 */
export class FoundFile {
  #fd: number | undefined;
  readonly stats: Stats;

  /** Whether it is found and not opened yet. */
  readonly #isHeld: boolean;

  private constructor(fd: number, stats: Stats, isHeld: boolean) {
    this.#fd = fd;
    this.stats = stats;
    this.#isHeld = isHeld;
  }

  /** Follows links. The caller closes what was found. @throws errors of open(2). */
  static at(path: string | Buffer): FoundFile {
    const isHeld = IS_LINUX && !isOfKernel(path);
    const fd = openSync(path, isHeld ? O_PATH : READ);
    try {
      return new FoundFile(fd, fstatSync(fd), isHeld);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** For a program that is to inherit it ({@link atDescriptor}). */
  get fd(): number {
    if (this.#fd === undefined) throw new Error('what was found is closed');
    return this.#fd;
  }

  /** Where it is now, with links resolved; ends with ` (deleted)` when it is nowhere any more. */
  realPath(): string {
    return textOfBytes(readlinkSync(this.#path, { encoding: 'buffer' }));
  }

  /** A descriptor for reading, which the caller closes. @throws errors of open(2). */
  open(): number {
    if (this.#isHeld) return openSync(this.#path, READ);
    const { fd } = this;
    this.#fd = undefined;
    return fd;
  }

  /** `undefined` when it is no folder. @throws errors of opendir(3). */
  openFolder(): Dir | undefined {
    return this.stats.isDirectory() ? opendirSync(this.#path, FOLDER) : undefined;
  }

  /** For system calls (proc(5)): leads to what was found, whatever its name leads to by now. */
  get #path(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Where a program finds the file that it inherited at this place of a list (`System.run`): proc(5). */
export function atDescriptor(index: number): string {
  return `/proc/self/fd/${FIRST_INHERITED + index}`;
}

/** After its input, output and errors. */
const FIRST_INHERITED = 3;
