import { NumberBits, type AnswerWarning } from '@muster/records';

/** Warnings that are kept with their text; of all others the endpoint is counted. */
const KEPT = 5_000;
const OVERHEAD_BYTES = 40;

/** What the answers of one query lack, by the word of their endpoints, and what of that is not published yet. */
export class WarningTracker {
  readonly #endpoints = new NumberBits();
  readonly #unpublished: AnswerWarning[] = [];
  #kept = 0;

  /** Endpoints whose answer lacks something. */
  get endpoints(): number {
    return this.#endpoints.size;
  }

  /** Warnings that are in the result stream already. */
  restore(warnings: readonly AnswerWarning[]): void {
    for (const [num] of warnings) this.#endpoints.add(num);
    this.#kept += warnings.length;
  }

  add(warnings: readonly AnswerWarning[]): void {
    for (const warning of warnings) {
      this.#endpoints.add(warning[0]);
      if (this.#kept === KEPT) continue;
      this.#kept += 1;
      this.#unpublished.push(warning);
    }
  }

  /** Removes and returns about `maxBytes` of what is not published. */
  take(maxBytes: number): AnswerWarning[] {
    let bytes = 0;
    let count = 0;
    for (const [, code, , message] of this.#unpublished) {
      if (bytes >= maxBytes) break;
      bytes += OVERHEAD_BYTES + code.length + 3 * message.length;
      count += 1;
    }
    return this.#unpublished.splice(0, count);
  }
}
