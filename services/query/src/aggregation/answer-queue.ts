import { AnswerBlockWriter } from '@muster/records';

export interface AnswerQueueOptions {
  /** Approximate upper bound of one block for the result stream. */
  readonly blockBytes: number;
  /** Bytes that may wait for the result stream at once. */
  readonly maxQueuedBytes: number;
  /** Bytes that one query may write in total. */
  readonly maxTotalBytes: number;
}

/**
 * Raw answers on their way to the result stream, as runs of the blocks that they arrived in: nothing is decoded or rebuilt, and runs
 * are copied only to join small ones. What does not fit is dropped, and {@link AnswerQueue.truncated} says so.
 */
export class AnswerQueue {
  readonly #options: AnswerQueueOptions;
  #runs: Uint8Array[] = [];
  #head = 0;
  #queuedBytes = 0;
  #totalBytes = 0;
  #rows = 0;
  #lost: { answers: number; why: string } | undefined;

  constructor(options: AnswerQueueOptions) {
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get rows(): number {
    return this.#rows;
  }

  get truncated(): string | undefined {
    if (this.#lost === undefined) return undefined;
    return `the rows of ${this.#lost.answers} endpoints were not kept: ${this.#lost.why}`;
  }

  /** Adds a part of an answer block: `answers` whole answers with `rows` rows. */
  addRun(run: Uint8Array, answers: number, rows: number): void {
    const { maxQueuedBytes, maxTotalBytes } = this.#options;
    if (this.#totalBytes + run.length > maxTotalBytes) return this.#drop(answers, 'the answer as a whole is too large');
    if (this.#queuedBytes + run.length > maxQueuedBytes)
      return this.#drop(answers, 'they came faster than they could be written');
    this.#runs.push(run);
    this.#queuedBytes += run.length;
    this.#totalBytes += run.length;
    this.#rows += rows;
  }

  /** Adds one answer that is in no block. */
  add(num: number, bytes: Uint8Array, rows: number): void {
    const writer = new AnswerBlockWriter();
    writer.add(num, bytes);
    this.addRun(writer.bytes(), 1, rows);
  }

  take(): Uint8Array | undefined {
    const first = this.#runs[this.#head];
    if (first === undefined) return undefined;
    let end = this.#head + 1;
    let length = first.length;
    for (let next = this.#runs[end]; next !== undefined; next = this.#runs[end]) {
      if (length + next.length > this.#options.blockBytes) break;
      length += next.length;
      end += 1;
    }
    const block = end === this.#head + 1 ? first : Buffer.concat(this.#runs.slice(this.#head, end), length);
    this.#head = end;
    if (this.#head * 2 >= this.#runs.length) {
      this.#runs = this.#runs.slice(this.#head);
      this.#head = 0;
    }
    this.#queuedBytes -= length;
    return block;
  }

  #drop(answers: number, why: string): void {
    this.#lost = { answers: (this.#lost?.answers ?? 0) + answers, why: this.#lost?.why ?? why };
  }
}
