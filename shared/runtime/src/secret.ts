import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/**
 * A value that must not reach a log, an error or a JSON document. Every way of printing it gives `[secret]`; the one way to
 * the value is `reveal()`, which is easy to search for in a review.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
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
