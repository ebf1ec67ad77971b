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

/** A note that lies on disk while a query runs. */
export interface RunningNote {
  /** The query did no harm. */
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
 * Remembers, through crashes of this process and of the machine, which statements were running when it died, so that a query that brings a
 * machine down is not asked of it again for a day. A note is on disk before the statement starts and gone when it has ended; a note found
 * at the start therefore names a suspect. Statements that killed a worker thread are noted likewise.
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

  /** Reads what is on disk; gives the ids of the queries that were running when the agent died. */
  load(): string[] {
    ensurePrivateFolder(this.#running);
    this.#denied = parseDenied(readFileIfThere(this.#deniedFile));
    const suspects: string[] = [];
    for (const name of readdirSync(this.#running)) {
      const path = join(this.#running, name);
      const note = name.endsWith('.json') ? parseNote(readFileIfThere(path)) : undefined;
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

  begin(id: string, sql: string): RunningNote {
    const path = join(this.#running, `${randomBytes(8).toString('hex')}.json`);
    this.#write(path, JSON.stringify({ id, hash: hashOf(sql), atMs: this.#options.clock.now() }));
    return {
      end: () => {
        try {
          rmSync(path, { force: true });
        } catch (error) {
          this.#options.logger.error('note of a finished query cannot be removed', { path, err: error });
        }
      },
    };
  }

  /** This statement killed its worker. */
  crashed(sql: string): void {
    this.#deny(hashOf(sql), 'it crashed the query worker');
  }

  #deny(hash: string, why: string): void {
    const nowMs = this.#options.clock.now();
    const others = this.#denied.filter((one) => one.hash !== hash && one.atMs > nowMs - DENIED_FOR_MS);
    this.#denied = [...others, { hash, atMs: nowMs, why }].slice(-MAX_DENIED);
    this.#write(this.#deniedFile, JSON.stringify(this.#denied));
  }

  /** A disk that is full or read-only must not make an endpoint mute: the query runs without its note. */
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

function parseNote(text: string | undefined): { id: string; hash: string } | undefined {
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
