import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '@muster/runtime/program';
import { z } from 'zod';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

export interface QueryDenylistOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const crashSchema = z.object({ atMs: z.number(), how: z.string() });
const entrySchema = z.object({ hash: z.string(), crashes: z.array(crashSchema).min(1) });
type Entry = z.output<typeof entrySchema>;

/** Crashes of a worker by one statement, after which it is refused. One alone may be the machine's doing. */
const CRASHES = 2;
const DENIED_FOR_MS = 24 * 3_600_000;
const MAX_ENTRIES = 200;
/** Hexadecimal digits of a statement's hash in messages, and the fewest that name one. */
const SHORT_HASH = 12;

/**
 * Refuses, for a day, statements that themselves ended their worker twice within a day. A worker is a process of its
 * own, so that a statement cannot end the agent: the end of the agent or of the machine blames none.
 */
export class QueryDenylist {
  readonly #options: QueryDenylistOptions;
  readonly #file: string;
  #entries: Entry[] = [];
  #writable = true;

  constructor(options: QueryDenylistOptions) {
    this.#options = options;
    this.#file = join(options.folder, 'denied.json');
  }

  /** Reads the file. Throws when it exists and cannot be read. */
  load(): void {
    const parsed = z.array(entrySchema.nullable().catch(null)).safeParse(parseJson(readFileIfThere(this.#file)));
    this.#entries = (parsed.data ?? []).filter((entry) => entry !== null);
    // Earlier versions blamed what ran when the agent died.
    rmSync(join(this.#options.folder, 'running'), { recursive: true, force: true });
  }

  /** Why this statement must not run now and until when, or `undefined`. */
  denial(sql: string): string | undefined {
    const hash = hashOf(sql);
    const crashes = this.#recent(hash);
    const last = crashes.at(-1);
    if (last === undefined || crashes.length < CRASHES) return undefined;
    const times = crashes.map(({ atMs, how }) => `${how} at ${timeOf(atMs)}`).join(', ');
    const id = hash.slice(0, SHORT_HASH);
    return `it ended its worker ${crashes.length} times (${times}) and is refused until ${timeOf(last.atMs + DENIED_FOR_MS)}; the action agent.allow_query (query=${id}) lifts it`;
  }

  /** This statement ended its worker; `how` says by which signal or exit code. Returns the sentence for its outcome. */
  crashed(sql: string, how: string): string {
    const hash = hashOf(sql);
    const nowMs = this.#options.clock.now();
    const crashes = [...this.#recent(hash), { atMs: nowMs, how }].slice(-CRASHES);
    const others = this.#entries.filter((one) => one.hash !== hash && this.#recent(one.hash).length > 0);
    this.#entries = [...others, { hash, crashes }].slice(-MAX_ENTRIES);
    this.#write();
    const denial = this.denial(sql);
    if (denial !== undefined) return denial;
    return `it ended its worker (${how}); once more within 24 hours, and it is refused for a day`;
  }

  /**
   * Forgets the crashes of the statement whose SHA-256 begins with `start`, of all statements without it. Returns the
   * short hashes of those that were refused until now. Throws the errors of the file system; then nothing has changed.
   */
  allow(start = ''): string[] {
    const [lifted, kept] = [[] as Entry[], [] as Entry[]];
    for (const entry of this.#entries) (entry.hash.startsWith(start) ? lifted : kept).push(entry);
    writeFileAtomic(this.#file, JSON.stringify(kept));
    this.#entries = kept;
    return lifted.map(({ hash }) => hash.slice(0, SHORT_HASH));
  }

  /** The short hashes that {@link allow} would return. */
  matching(start = ''): string[] {
    return this.#entries.filter(({ hash }) => hash.startsWith(start)).map(({ hash }) => hash.slice(0, SHORT_HASH));
  }

  #recent(hash: string): Entry['crashes'] {
    const sinceMs = this.#options.clock.now() - DENIED_FOR_MS;
    const entry = this.#entries.find((one) => one.hash === hash);
    return entry?.crashes.filter(({ atMs }) => atMs > sinceMs) ?? [];
  }

  /** With a full or read-only disk the list is kept in memory. */
  #write(): void {
    try {
      writeFileAtomic(this.#file, JSON.stringify(this.#entries));
      this.#writable = true;
    } catch (error) {
      if (this.#writable)
        this.#options.logger.error('query denylist cannot be written', { path: this.#file, err: error });
      this.#writable = false;
    }
  }
}

function hashOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
