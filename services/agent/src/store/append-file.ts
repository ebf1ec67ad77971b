import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isErrno, writeFileAtomic } from './atomic-file.js';

/**
 * A file of lines to which lines are appended, until the whole file is rewritten. A crash can only cut the last line: a
 * line counts only with its line feed. After a failed write, the file is rewritten before the next line is appended.
 */
export class AppendFile {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The complete lines, and whether an incomplete one follows. Throws the errors of the file system. */
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
   * Appends a line; it is on disk when this returns, if `durable`. If the file may be damaged, it is first rewritten
   * with the lines of `whole`. Throws the errors of the file system; then the line is not appended.
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

  /** Replaces the content. After a crash the file has the old or the new content. */
  rewrite(lines: Iterable<string>): void {
    this.close();
    writeFileAtomic(this.#path, [...lines].map((line) => `${line}\n`).join(''));
    this.#file = openSync(this.#path, 'a');
  }

  /** Continues at the end of a file that was just read and is complete. */
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
      // The file is not used any more.
    }
  }
}
