import { readFile, stat } from 'node:fs/promises';
import type { z } from 'zod';
import type { Clock, Timer } from './clock.js';
import type { Logger } from './logger.js';

export type ParsedDocument<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly string[] };

/** Reads a JSON document that people write, and says every fault at once, each with the place where it is. */
export function parseDocument<S extends z.ZodType>(text: string, schema: S): ParsedDocument<z.output<S>> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return { ok: false, faults: [`not JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return { ok: true, value: parsed.data };
  return {
    ok: false,
    faults: parsed.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    ),
  };
}

export interface FollowedFileOptions<T> {
  /** What it is, in log lines and errors. */
  readonly what: string;
  /** Without it the value is `fallback`, for good. */
  readonly path: string | undefined;
  readonly fallback: T;
  readonly parse: (text: string) => ParsedDocument<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after the file was changed, and understood; not for the first time that it is read. */
  readonly onChange?: () => void;
}

const LOOK_MS = 5_000;

/**
 * A setting as its file has it now: looked at every few seconds, so that it can be changed without a restart. A file that became unreadable
 * or wrong changes nothing: what was in force stays in force, loudly.
 */
export class FollowedFile<T> {
  readonly #options: FollowedFileOptions<T>;
  #value: T;
  /** Of the file as it was last understood, and as it last was found wrong. */
  #version = '';
  #wrong = '';
  #isLooking = false;
  #timer: Timer | undefined;

  constructor(options: FollowedFileOptions<T>) {
    this.#options = options;
    this.#value = options.fallback;
  }

  get value(): T {
    return this.#value;
  }

  /** Rejects when the file cannot be read, or with everything that is wrong with it. */
  async start(): Promise<void> {
    const { path, clock } = this.#options;
    if (path === undefined) return;
    await this.#read(path);
    this.#timer = clock.setInterval(() => void this.#look(path), LOOK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  async #look(path: string): Promise<void> {
    const { what, logger, onChange } = this.#options;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (!(await this.#read(path))) return;
      logger.info('file reread', { what, path });
      onChange?.();
    } catch (error) {
      logger.error('file cannot be reread; what it said before stays in force', { what, path, err: error });
    } finally {
      this.#isLooking = false;
    }
  }

  async #read(path: string): Promise<boolean> {
    const { what, parse } = this.#options;
    const { mtimeMs, size, ino } = await stat(path);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === this.#version || version === this.#wrong) return false;
    // One that could not be read may be readable at the next look, and look the same.
    const parsed = parse(await readFile(path, 'utf8'));
    if (!parsed.ok) {
      this.#wrong = version;
      throw new Error(`the ${what} ${path} is wrong:\n  ${parsed.faults.join('\n  ')}`);
    }
    this.#version = version;
    this.#value = parsed.value;
    return true;
  }
}
