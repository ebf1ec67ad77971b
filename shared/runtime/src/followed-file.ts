import { readFile, stat } from 'node:fs/promises';
import type { z } from 'zod';
import type { Clock, Timer } from './clock.js';
import type { Logger } from './logger.js';
import { readFault } from './read-fault.js';

export type ParsedDocument<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly string[] };

/** Parses a JSON document that people write, and returns all its faults with their paths. */
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
  /** Its name in log lines and errors; best with the setting that names the file. */
  readonly what: string;
  /** Without it the value is always `fallback`. */
  readonly path: string | undefined;
  readonly fallback: T;
  readonly parse: (text: string) => ParsedDocument<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after a changed file was parsed; not for the first read. */
  readonly onChange?: () => void;
}

const CHECK_MS = 5_000;

/**
 * A setting in a file that is checked every five seconds, so that it can be changed without a restart. When the file becomes
 * unreadable or wrong, an error is logged and the last valid content stays in force.
 */
export class FollowedFile<T> {
  readonly #options: FollowedFileOptions<T>;
  #value: T;
  /** Version of the file that is in force. */
  #version = '';
  /** Version of the file that was last found wrong. */
  #wrong = '';
  #isChecking = false;
  #timer: Timer | undefined;

  constructor(options: FollowedFileOptions<T>) {
    this.#options = options;
    this.#value = options.fallback;
  }

  get value(): T {
    return this.#value;
  }

  /** Rejects when the file cannot be read, or with all its faults. */
  async start(): Promise<void> {
    const { path, clock } = this.#options;
    if (path === undefined) return;
    await this.#read(path);
    this.#timer = clock.setInterval(() => void this.#check(path), CHECK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  async #check(path: string): Promise<void> {
    const { what, logger, onChange } = this.#options;
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      if (!(await this.#read(path))) return;
      logger.info('file reread', { what, path });
      onChange?.();
    } catch (error) {
      logger.error('file cannot be reread; its last content stays in force', { what, path, err: error });
    } finally {
      this.#isChecking = false;
    }
  }

  async #read(path: string): Promise<boolean> {
    const { what, parse } = this.#options;
    let version: string;
    let text: string;
    try {
      const { mtimeMs, size, ino } = await stat(path);
      version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version || version === this.#wrong) return false;
      // An unreadable file is not remembered as wrong: it may become readable without a change.
      text = await readFile(path, 'utf8');
    } catch (cause) {
      throw new Error(`the ${what} ${path} cannot be read: ${readFault(cause)}`, { cause });
    }
    const parsed = parse(text);
    if (!parsed.ok) {
      this.#wrong = version;
      throw new Error(`the ${what} ${path} is wrong:\n  ${parsed.faults.join('\n  ')}`);
    }
    this.#version = version;
    this.#value = parsed.value;
    return true;
  }
}
