import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '@muster/runtime/program';
import { ensurePrivateFolder, readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

export interface QueryDenylistOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The file on disk while a query runs. */
export interface RunningRecord {
  /** The query ended without a crash: removes the file. */
  end(): void;
}

interface Denied {
  readonly hash: string;
  readonly atMs: number;
  readonly why: string;
}

const DENIED_FOR_MS = 24 * 3_600_000;
const MAX_DENIED = 200;

/**
 * Refuses, for a day, statements that brought the agent down. A file is on disk while a statement runs. A file that is
 * found at the start therefore names a statement that ran when the process or the machine crashed. Statements that
 * crash a worker thread are denied too.
 */
export class QueryDenylist {
  readonly #options: QueryDenylistOptions;
  readonly #running: string;
  readonly #deniedFile: string;
  #denied: Denied[] = [];
  #writable = true;

  constructor(options: QueryDenylistOptions) {
    this.#options = options;
    this.#running = join(options.folder, 'running');
    this.#deniedFile = join(options.folder, 'denied.json');
  }

  /** Reads the files; returns the ids of the queries that ran when the agent died. */
  load(): string[] {
    ensurePrivateFolder(this.#running);
    this.#denied = parseDenied(readFileIfThere(this.#deniedFile));
    const suspects: string[] = [];
    for (const name of readdirSync(this.#running)) {
      const path = join(this.#running, name);
      const note = name.endsWith('.json') ? parseRecord(readFileIfThere(path)) : undefined;
      if (note !== undefined) {
        suspects.push(note.id);
        this.#deny(note.hash, 'the agent died while it ran');
      }
      rmSync(path, { force: true });
    }
    return suspects;
  }

  /** Why this statement must not run now, or `undefined`. */
  denial(sql: string): string | undefined {
    const hash = hashOf(sql);
    const sinceMs = this.#options.clock.now() - DENIED_FOR_MS;
    const denied = this.#denied.find((one) => one.hash === hash && one.atMs > sinceMs);
    return denied && `${denied.why} at ${new Date(denied.atMs).toISOString()}; it is refused for 24 hours from then`;
  }

  begin(id: string, sql: string): RunningRecord {
    const path = join(this.#running, `${randomBytes(8).toString('hex')}.json`);
    this.#write(path, JSON.stringify({ id, hash: hashOf(sql), atMs: this.#options.clock.now() }));
    return {
      end: () => {
        try {
          rmSync(path, { force: true });
        } catch (error) {
          this.#options.logger.error('record of a finished query cannot be removed', { path, err: error });
        }
      },
    };
  }

  /** This statement crashed its worker. */
  crashed(sql: string): void {
    this.#deny(hashOf(sql), 'it crashed the query worker');
  }

  #deny(hash: string, why: string): void {
    const nowMs = this.#options.clock.now();
    const others = this.#denied.filter((one) => one.hash !== hash && one.atMs > nowMs - DENIED_FOR_MS);
    this.#denied = [...others, { hash, atMs: nowMs, why }].slice(-MAX_DENIED);
    this.#write(this.#deniedFile, JSON.stringify(this.#denied));
  }

  /** With a full or read-only disk, queries run without a record. */
  #write(path: string, content: string): void {
    try {
      writeFileAtomic(path, content);
      this.#writable = true;
    } catch (error) {
      if (this.#writable) this.#options.logger.error('query denylist cannot be written', { path, err: error });
      this.#writable = false;
    }
  }
}

function hashOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

function parseRecord(text: string | undefined): { id: string; hash: string } | undefined {
  const note = parseJson(text);
  if (typeof note !== 'object' || note === null) return undefined;
  const { id, hash } = note as { id?: unknown; hash?: unknown };
  return typeof id === 'string' && typeof hash === 'string' ? { id, hash } : undefined;
}

function parseDenied(text: string | undefined): Denied[] {
  const list = parseJson(text);
  if (!Array.isArray(list)) return [];
  return list.filter((one: unknown): one is Denied => {
    if (typeof one !== 'object' || one === null) return false;
    const { hash, atMs, why } = one as { hash?: unknown; atMs?: unknown; why?: unknown };
    return typeof hash === 'string' && typeof atMs === 'number' && typeof why === 'string';
  });
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
