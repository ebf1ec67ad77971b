import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rm, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, writeFileAtomic } from '../../store/atomic-file.js';
import { copyContent } from './copy-content.js';

/** Metadata of a quarantined file. Extended attributes and access lists are not stored. */
export interface QuarantineItem {
  readonly id: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly accessedMs: number;
  readonly modifiedMs: number;
  /** The command that quarantined it. */
  readonly command: string;
  readonly takenAtMs: number;
}

/** Free space that must remain on the file system. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * The agent's private folder for quarantined files. `<id>.data` is the content, readable only by the agent and not
 * executable. `<id>.json` is the metadata, written after the content is on disk. An item exists exactly when its
 * metadata exists, so a crash during the copy leaves no item.
 */
export class QuarantineStore {
  readonly #folder: string;
  readonly #reserveBytes: number;

  constructor(dataDir: string, reserveBytes = RESERVE_BYTES) {
    this.#folder = join(dataDir, 'quarantine');
    this.#reserveBytes = reserveBytes;
  }

  /** Whether `bytes` fit without using the reserve. */
  async hasRoom(bytes: number): Promise<boolean> {
    await this.#ensure();
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize - bytes >= this.#reserveBytes;
  }

  /** Copies the content in and flushes it. When it throws a file system error, nothing is left behind. */
  async copyIn(id: string, from: FileHandle, signal: AbortSignal): Promise<{ sha256: string; size: number }> {
    await this.#ensure();
    const path = this.#data(id);
    const to = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOFOLLOW, 0o400);
    try {
      const copied = await copyContent(from, to, signal);
      await to.sync();
      return copied;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await to.close();
    }
  }

  /** Writes the metadata durably. From now on the item exists. */
  commit(item: QuarantineItem): void {
    writeFileAtomic(this.#metadata(item.id), JSON.stringify(item));
  }

  /** Resolves to `undefined` when there is no such item or its metadata is invalid. */
  async find(id: string): Promise<QuarantineItem | undefined> {
    if (!METADATA_FILE.test(`${id}.json`)) return undefined;
    try {
      const metadata: unknown = JSON.parse(await readFile(this.#metadata(id), 'utf8'));
      return isItem(metadata) && metadata.id === id ? metadata : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT') || (error as Error).name === 'SyntaxError') return undefined;
      throw error;
    }
  }

  /** Oldest first. */
  async list(): Promise<QuarantineItem[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    const ids = names.filter((name) => METADATA_FILE.test(name)).map((name) => name.slice(0, -'.json'.length));
    const items = await Promise.all(ids.map((id) => this.find(id)));
    return items.filter((item) => item !== undefined).toSorted((a, b) => a.takenAtMs - b.takenAtMs);
  }

  /** Opens the content. The caller closes it. */
  open(id: string): Promise<FileHandle> {
    return open(this.#data(id), constants.O_RDONLY | NOFOLLOW);
  }

  /** Metadata first: without it the content is not an item. */
  async remove(id: string): Promise<void> {
    await rm(this.#metadata(id), { force: true });
    await rm(this.#data(id), { force: true });
  }

  #data(id: string): string {
    return join(this.#folder, `${id}.data`);
  }

  #metadata(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  async #ensure(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    if (!(await lstat(this.#folder)).isDirectory()) throw new Error(`${this.#folder} is not a folder`);
  }
}

function isItem(value: unknown): value is QuarantineItem {
  if (typeof value !== 'object' || value === null) return false;
  const texts = ['id', 'path', 'sha256', 'command'];
  const numbers = ['size', 'mode', 'uid', 'gid', 'accessedMs', 'modifiedMs', 'takenAtMs'];
  const fields = value as Readonly<Record<string, unknown>>;
  return texts.every((key) => typeof fields[key] === 'string') && numbers.every((key) => Number.isFinite(fields[key]));
}

const METADATA_FILE = /^[0-9a-f]{32}\.json$/;
/** Windows has no such flag, and ordinary users cannot create links there. */
const NOFOLLOW = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW;
