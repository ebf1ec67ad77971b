import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync, writeSync } from 'node:fs';
import { readFileIfThere, writeFileAtomic } from './atomic-file.js';
import { lineOf, readLine } from './log-line.js';

/** How far a log is known to go, and the inode of its file. */
export interface HeadMark {
  readonly n: number;
  readonly inode: string;
}

const INODE_DIGITS = 20;
const NUMBER_DIGITS = 16;

/**
 * A small file beside a log that says how far the log goes, so that a log that lost its end, or was put back from a copy,
 * is noticed. Its length never changes: it is overwritten in place, which needs no room on a full disk. It is not flushed
 * with each line of the log: after a power cut it may be behind, never ahead.
 */
export class LogHead {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** `absent`: no such file. `damaged`: it is not as it was written. */
  read(): HeadMark | 'absent' | 'damaged' {
    const text = readFileIfThere(this.#path);
    if (text === undefined) return 'absent';
    const { up, inode } = readLine(text.trimEnd())?.entry ?? {};
    return typeof up === 'string' && typeof inode === 'string' ? { n: Number(up), inode: trim(inode) } : 'damaged';
  }

  /** Throws the errors of the file system. */
  write({ n, inode }: HeadMark, { durable }: { readonly durable: boolean }): void {
    const mark = { up: String(n).padStart(NUMBER_DIGITS, '0'), inode: inode.padStart(INODE_DIGITS, '0') };
    const text = `${lineOf(mark, 1)}\n`;
    const file = (this.#file ??= this.#open(text.length));
    if (file !== undefined) {
      writeSync(file, text, 0);
      if (durable) fdatasyncSync(file);
      return;
    }
    writeFileAtomic(this.#path, text);
    this.#file = openSync(this.#path, 'r+');
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }

  /** The file that is there, if it can be overwritten in place. */
  #open(length: number): number | undefined {
    if (!existsSync(this.#path)) return undefined;
    const file = openSync(this.#path, 'r+');
    if (fstatSync(file).size === length) return file;
    closeSync(file);
    return undefined;
  }
}

function trim(inode: string): string {
  return inode.replace(/^0+(?=\d)/, '');
}
