import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/** The file that a secret was read from, for who follows it. */
export interface SecretFile<T> {
  /** The setting, without `_FILE`. */
  readonly setting: string;
  readonly path: string;
  /** {@link digestOf} the text that was read. */
  readonly digest: string;
  /** Reads a later text. A fault does not quote it. `before` is what was read before. */
  parse(text: string, before: T): { readonly value: T } | { readonly fault: string };
}

/**
 * A value that must not reach a log, an error or a JSON document. Every way to print it gives `[secret]`.
 * The only way to the value is `reveal()`, which is easy to search for in a review.
 */
export class Secret<T = string> {
  /** Where it came from; `undefined` when it was given as a variable. */
  readonly file: SecretFile<T> | undefined;
  readonly #value: T;

  constructor(value: T, file?: SecretFile<T>) {
    this.#value = value;
    this.file = file;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** The secret as its file has it now, for one that is used rarely; as it was when the file cannot be read, or is wrong. */
export function reread<T>(secret: Secret<T>): Secret<T> {
  const { file } = secret;
  if (file === undefined) return secret;
  try {
    // To read a pipe again would wait for ever.
    if (!statSync(file.path).isFile()) return secret;
    const parsed = file.parse(readFileSync(file.path, 'utf8'), secret.reveal());
    return 'value' in parsed ? new Secret(parsed.value, file) : secret;
  } catch {
    return secret;
  }
}

/** Tells two contents of a secret file apart, without keeping them. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
