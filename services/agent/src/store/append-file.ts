import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isErrno, writeFileAtomic } from './atomic-file.js';

/**
 * A file of lines that only grows, until it is written anew as a whole. A crash can cut its last line off, never more: a line counts only with
 * its line feed, and whatever fails half-way is repaired by writing the file anew before the next line is added.
 */
export class AppendFile {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Its whole lines, and whether a part of one follows them. Throws what the file system throws. */
  read(): { readonly lines: readonly string[]; readonly isTorn: boolean } {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return { lines: [], isTorn: false };
      throw error;
    }
    const lines = text.split('\n');
    return { isTorn: lines.pop() !== '', lines };
  }

  /**
   * Adds a line; on disk when it returns, if `durable`. When the file is not known to be whole, it is written anew first, with the lines that `whole`
   * gives. Throws what the file system throws, and then nothing counts as added.
   */
  append(line: string, whole: () => Iterable<string>, { durable }: { readonly durable: boolean }): void {
    if (this.#file === undefined) this.rewrite(whole());
    const file = this.#file as number | undefined;
    if (file === undefined) throw new Error('the file is not open');
    try {
      const bytes = Buffer.from(`${line}\n`);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      if (durable) fdatasyncSync(file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Replaces the content: after a crash there is the old or the new one. */
  rewrite(lines: Iterable<string>): void {
    this.close();
    writeFileAtomic(this.#path, [...lines].map((line) => `${line}\n`).join(''));
    this.#file = openSync(this.#path, 'a');
  }

  /** Goes on at the end of a file that was just read and found whole. */
  resume(): void {
    this.close();
    if (existsSync(this.#path)) this.#file = openSync(this.#path, 'a');
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    try {
      closeSync(file);
    } catch {
      // It was about to be given up anyway.
    }
  }
}
