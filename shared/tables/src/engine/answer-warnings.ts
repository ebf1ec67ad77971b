import type { WarningCode } from './collect.js';

/** What an answer lacks: how often for this reason, and an example. */
export interface AnswerWarning {
  readonly code: WarningCode;
  readonly count: number;
  readonly message: string;
}

/** Counts what the answer of one statement lacks. Keeps the first example of each reason. */
export class AnswerWarnings {
  readonly #byCode = new Map<WarningCode, { count: number; readonly message: string }>();
  /** The inner table of a join may be read often: an object counts once. */
  readonly #seen = new Set<string>();

  add(code: WarningCode, what: string): void {
    const key = `${code} ${what}`;
    if (this.#seen.has(key)) return;
    if (this.#seen.size < MAX_SEEN) this.#seen.add(key);
    const known = this.#byCode.get(code);
    if (known === undefined) this.#byCode.set(code, { count: 1, message: what });
    else known.count += 1;
  }

  list(): AnswerWarning[] {
    return [...this.#byCode].map(([code, { count, message }]) => ({ code, count, message }));
  }
}

const MAX_SEEN = 10_000;
