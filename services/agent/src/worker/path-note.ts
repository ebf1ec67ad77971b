import { writeSync } from 'node:fs';
import { posix } from 'node:path';

/** The descriptor of a worker process that leads to its note. */
export const NOTE_FD = 4;
/** The note begins with how many paths were noted, a float of 64 bits, little-endian. */
export const NOTE_HEAD_BYTES = 8;
/** A path has at most 4,096 bytes (PATH_MAX); what does not fit is cut. */
export const NOTE_BYTES = 8_192;
/** Behind the path is a byte that the agent writes: 1 while the process is to stand still. */
export const PAUSE_AT = 8_192;
/** Then a byte that the process writes: 1 while it does. It sleeps then, and does not hang. */
export const STANDS_AT = 8_193;

/** A file system does not answer: earlier work hangs at this path or above it, so it is not touched. */
export class HungPathError extends Error {
  override readonly name = 'HungPathError';
  readonly code = 'hung_file_system';
  readonly path: string;

  constructor(path: string) {
    super(`${path}: its file system does not answer; earlier work of this agent still hangs there`);
    this.path = path;
  }
}

/**
 * Where this worker process is: the path that it touches next, in a small file that the agent reads when the process
 * hangs. A process that hangs cannot tell any more.
 */
export class PathNote {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(NOTE_BYTES);
  #hung: readonly string[] = [];
  #refused: HungPathError | undefined;
  #last: string | undefined = '';
  #count = 0;

  constructor(fd = NOTE_FD) {
    this.#fd = fd;
  }

  /** The first path that was not touched because work hangs there. */
  get refused(): HungPathError | undefined {
    return this.#refused;
  }

  /** Begins a new task. `hung` are the paths at which work hangs; nothing at or below them is touched. */
  begin(hung: readonly string[]): void {
    this.#hung = hung;
    this.#refused = undefined;
    // The empty path is written, and does not count.
    this.#last = undefined;
    this.#count = -1;
    this.set('');
  }

  /** Call before each call of the system that may hang. Throws {@link HungPathError} where work hangs already. */
  readonly set = (path: string): void => {
    if (this.#hung.some((hung) => leadsInto(path, hung))) throw (this.#refused ??= new HungPathError(path));
    const place = placeOf(path);
    if (place === this.#last) return;
    this.#last = place;
    this.#count += 1;
    this.#buffer.writeDoubleLE(this.#count, 0);
    const end = NOTE_HEAD_BYTES + this.#buffer.write(path, NOTE_HEAD_BYTES, NOTE_BYTES - NOTE_HEAD_BYTES - 1);
    this.#buffer[end] = 0;
    try {
      writeSync(this.#fd, this.#buffer, 0, end + 1, 0);
    } catch {
      // The note is for a message only.
    }
  };
}

/** What is worth a new note. Of a process in /proc any file will do: a table reads many of each process. */
function placeOf(path: string): string {
  // These lead away from there.
  if (!path.startsWith('/proc/') || /\/(\.\.|root|cwd)\//.test(path)) return path;
  const end = path.indexOf('/', '/proc/'.length);
  return end < 0 ? path : path.slice(0, end);
}

/** Whether the system comes to `hung` on this path, by its name alone: through it, or where `..` and the like lead. */
function leadsInto(path: string, hung: string): boolean {
  return isWithin(path, hung) || isWithin(posix.normalize(path), hung);
}

/** Whether `path` is `above` or below it. */
export function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(above.endsWith('/') ? above : `${above}/`);
}
