import { isUnfinished } from '@muster/protocol';
import { NumberBits, type AnswerWarning, type QueryRecord } from '@muster/records';

/** Warnings that are kept with their text; of all others the endpoint is counted. */
const KEPT = 5_000;
const OVERHEAD_BYTES = 40;

/** What the answers of one query lack, by the word of their endpoints, and what of that is not published yet. */
export class WarningTracker {
  readonly #endpoints = new NumberBits();
  readonly #unfinished = new NumberBits();
  readonly #unpublished: AnswerWarning[] = [];
  #kept = 0;

  /** Endpoints whose answer lacks something. */
  get endpoints(): number {
    return this.#endpoints.size;
  }

  /** What the last record of a query says of them. */
  get counts(): Pick<QueryRecord, 'warned' | 'unfinished'> {
    return {
      ...(this.#endpoints.size > 0 ? { warned: this.#endpoints.size } : {}),
      ...(this.#unfinished.size > 0 ? { unfinished: this.#unfinished.size } : {}),
    };
  }

  /** Warnings that are in the result stream already. */
  restore(warnings: readonly AnswerWarning[]): void {
    for (const warning of warnings) this.#count(warning);
    this.#kept += warnings.length;
  }

  add(warnings: readonly AnswerWarning[]): void {
    for (const warning of warnings) {
      this.#count(warning);
      if (this.#kept === KEPT) continue;
      this.#kept += 1;
      this.#unpublished.push(warning);
    }
  }

  #count([num, code]: AnswerWarning): void {
    this.#endpoints.add(num);
    if (isUnfinished(code)) this.#unfinished.add(num);
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
