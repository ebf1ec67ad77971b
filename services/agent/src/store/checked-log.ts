import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { isErrno, writeFileAtomic } from './atomic-file.js';
import { type HeadMark, LogHead } from './log-head.js';
import { lineOf, parseObject, readLine } from './log-line.js';

type Entry = Readonly<Record<string, unknown>>;

/** What a log holds. */
export interface LogContent {
  readonly entries: readonly Entry[];
  /** What shows that lines were lost or changed, one sentence each; empty for a log that is whole. */
  readonly damage: readonly string[];
  /** It can be continued as it is. Otherwise it is rewritten before the next line is appended. */
  readonly isWhole: boolean;
}

/** The first line of a file. `was`: the inode of the file that it replaced. `v`: the format; 1 where it is not said. */
const FIRST = 'log';
const FORMAT = 1;

/**
 * A file of JSON objects, one a line, to which lines are appended until the whole file is rewritten. A crash can only cut
 * the last line, which was not acknowledged then. Everything else that is lost is noticed when the log is read:
 *
 * - a line that changed, by its checksum; zeros at the end, which no crash of a program leaves
 * - lines that are missing in between, by their numbers, which go on over rewrites
 * - lines that are missing at the end, an older file in its place, or none: `<name>.head` knows the last flushed number
 * - a copy of the file, also of the whole folder, by the inode that the head names
 *
 * An older state of the whole file system, as from a snapshot of a disk or of a virtual machine, looks like that time.
 */
export class CheckedLog {
  readonly #path: string;
  readonly #head: LogHead;
  #file: number | undefined;
  /** Bytes of the lines that were acknowledged. */
  #size = 0;
  /** The number of the last line. */
  #n = 0;

  constructor(path: string) {
    this.#path = path;
    this.#head = new LogHead(path.replace(/\.log$/, '.head'));
  }

  /** Reads the file, and opens it when it is whole. Throws the errors of the file system. */
  read(): LogContent {
    this.close();
    const head = this.#head.read();
    const marked = typeof head === 'string' ? undefined : head.n;
    const file = this.#readFile();
    if (file === undefined) {
      this.#n = marked ?? 0;
      return { entries: [], damage: head === 'absent' ? [] : ['the file is gone'], isWhole: false };
    }
    const text = file.bytes.toString('utf8').split('\n');
    const rest = text.pop() ?? '';
    // An earlier version wrote neither numbers nor a head.
    if (head === 'absent' && text.every((line) => !line.includes('"c":"'))) return { ...earlier(text), isWhole: false };
    const { entries, damage, last } = checkLines(text);
    const format = entries.find(({ t }) => t === FIRST)?.['v'] ?? 1;
    if (format !== FORMAT)
      throw new Error(
        `${this.#path} has format ${JSON.stringify(format)}, and this version knows ${FORMAT}: run the version that wrote it`,
      );
    if (rest.includes('\0')) damage.push('zeros at its end');
    damage.push(...compare(head, { n: last, inode: file.inode, was: entries[0]?.['was'] }));
    this.#n = Math.max(last, marked ?? 0);
    const isWhole = damage.length === 0 && rest === '' && this.#resume();
    return { entries: entries.filter(({ t }) => t !== FIRST), damage, isWhole };
  }

  /**
   * Appends a line; it is on disk when this returns, if `durable`. If the file is gone, or may be damaged, it is first
   * rewritten with the lines of `whole`. Throws the errors of the file system; then the line is not appended.
   */
  append(entry: object, whole: () => Iterable<object>, { durable }: { readonly durable: boolean }): void {
    if (this.#file === undefined || !this.#isInPlace(this.#file)) this.rewrite(whole());
    const file = this.#file as number | undefined;
    if (file === undefined) throw new Error('the file is not open');
    const bytes = Buffer.from(`${lineOf(entry, this.#n + 1)}\n`);
    try {
      writeAll(file, bytes);
    } catch (error) {
      this.#undo(file, error);
      throw error;
    }
    try {
      if (durable) {
        fdatasyncSync(file);
        // Only what is flushed: the head must not be ahead after a power cut.
        this.#head.write({ n: this.#n + 1, inode: inodeOf(file) }, { durable: false });
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.#n += 1;
    this.#size += bytes.length;
  }

  /** Replaces the content. After a crash the file has the old or the new content, as after an error. */
  rewrite(entries: Iterable<object>): void {
    const was = statSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
    const lines = [{ t: FIRST, v: FORMAT, was: String(was) }, ...entries].map((entry, at) =>
      lineOf(entry, this.#n + 1 + at),
    );
    writeFileAtomic(this.#path, lines.map((line) => `${line}\n`).join(''));
    this.close();
    this.#n += lines.length;
    this.#open(this.#n);
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      this.#head.close();
      if (file !== undefined) closeSync(file);
    } catch {
      // The file is not used any more.
    }
  }

  #resume(): boolean {
    try {
      this.#open(this.#n);
      return true;
    } catch {
      // The first append opens it, or throws.
      return false;
    }
  }

  #open(n: number): void {
    const file = openSync(this.#path, 'a');
    try {
      this.#head.write({ n, inode: inodeOf(file) }, { durable: true });
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#file = file;
    this.#size = fstatSync(file).size;
  }

  #readFile(): { readonly bytes: Buffer; readonly inode: string } | undefined {
    try {
      return { bytes: readFileSync(this.#path), inode: String(statSync(this.#path, { bigint: true }).ino) };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** `false` when the file was removed or replaced meanwhile: what is appended to it would be lost. */
  #isInPlace(file: number): boolean {
    const found = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return found !== undefined && String(found.ino) === inodeOf(file);
  }

  /** A full disk took a part of the line or nothing. Whatever else went wrong, the file is rewritten. */
  #undo(file: number, error: unknown): void {
    if (!isErrno(error, 'ENOSPC') && !isErrno(error, 'EDQUOT')) return this.close();
    try {
      ftruncateSync(file, this.#size);
    } catch {
      this.close();
    }
  }
}

function checkLines(lines: readonly string[]): { readonly entries: Entry[]; readonly damage: string[]; last: number } {
  const entries: Entry[] = [];
  let [last, unreadable, gaps] = [0, 0, 0];
  for (const line of lines) {
    const read = readLine(line);
    if (read === undefined) {
      unreadable += 1;
      continue;
    }
    if (entries.length > 0 && read.n !== last + 1) gaps += 1;
    last = Math.max(last, read.n);
    entries.push(read.entry);
  }
  const damage: string[] = [];
  if (unreadable > 0) damage.push(`${unreadable} lines that are not as they were written`);
  if (gaps > 0) damage.push(`${gaps} gaps between its lines`);
  if (lines.length > 0 && entries[0]?.['t'] !== FIRST) damage.push('its beginning is missing');
  return { entries, damage, last };
}

function compare(
  head: HeadMark | 'absent' | 'damaged',
  log: { readonly n: number; readonly inode: string; readonly was: unknown },
): string[] {
  if (head === 'absent') return ['the file that says how far it goes is gone'];
  if (head === 'damaged') return ['the file that says how far it goes cannot be read'];
  const damage: string[] = [];
  if (head.n > log.n) damage.push(`${head.n - log.n} lines are missing at its end`);
  // A crash between the rewrite of the log and that of its head leaves a head that names the file before.
  if (head.inode !== log.inode && head.inode !== log.was) damage.push('it is a copy, which may be older');
  return damage;
}

function earlier(lines: readonly string[]): Pick<LogContent, 'entries' | 'damage'> {
  const entries = lines.map(parseObject).filter((entry) => entry !== undefined);
  const unreadable = lines.length - entries.length;
  return { entries, damage: unreadable > 0 ? [`${unreadable} lines that cannot be read`] : [] };
}

function inodeOf(file: number): string {
  return String(fstatSync(file, { bigint: true }).ino);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}
