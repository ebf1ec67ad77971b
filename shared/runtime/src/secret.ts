import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/**
 * A value that must not reach a log, an error or a JSON document. Every way to print it gives `[secret]`.
 * The only way to the value is `reveal()`, which is easy to search for in a review.
 */
export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
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
