import { FLAG_FINAL, skipRow } from '@muster/protocol';
import type { SendResult } from '../../contract/session.js';
import type { Answer } from './query-runner.js';

export interface AnswerSenderOptions {
  readonly answer: Answer;
  readonly columns: number;
  readonly credit: number;
  readonly send: (rows: Uint8Array, flags: number) => SendResult;
}

/**
 * Sends one answer in frames of whole rows, never more bytes than the gateway gave credit for. The last frame has the
 * final flag.
 */
export class AnswerSender {
  readonly #options: AnswerSenderOptions;
  #credit: number;
  #chunk = 0;
  #offset = 0;
  /** More credit was requested and has not come. */
  #starved = false;

  constructor(options: AnswerSenderOptions) {
    this.#options = options;
    this.#credit = options.credit;
  }

  addCredit(bytes: number): void {
    this.#credit += bytes;
    this.#starved = false;
  }

  /** Sends what may be sent now. `true` when the whole answer is sent. */
  pump(): boolean {
    const { chunks } = this.#options.answer;
    if (chunks.length === 0) return this.#options.send(new Uint8Array(), FLAG_FINAL) !== 'full';
    for (;;) {
      const chunk = chunks[this.#chunk];
      if (chunk === undefined) return true;
      const end = this.#endWithinCredit(chunk);
      if (end === this.#offset) {
        this.#askForCredit();
        return false;
      }
      const last = end === chunk.length && this.#chunk === chunks.length - 1;
      const sent = this.#options.send(chunk.subarray(this.#offset, end), last ? FLAG_FINAL : 0);
      if (sent === 'full') return false;
      if (sent === 'closed') return true;
      this.#credit -= end - this.#offset;
      this.#offset = end === chunk.length ? 0 : end;
      if (this.#offset === 0) this.#chunk += 1;
    }
  }

  /**
   * Not even one row fits. An empty frame without the final flag tells the gateway so, once; it cannot know how large
   * the next row is.
   */
  #askForCredit(): void {
    if (!this.#starved) this.#starved = this.#options.send(new Uint8Array(), 0) !== 'full';
  }

  /** Where the next frame ends: the rest of the chunk, or as many whole rows as the credit covers. */
  #endWithinCredit(chunk: Uint8Array): number {
    if (chunk.length - this.#offset <= this.#credit) return chunk.length;
    let end = this.#offset;
    for (;;) {
      const next = skipRow(chunk, end, this.#options.columns);
      if (next < 0 || next - this.#offset > this.#credit) return end;
      end = next;
    }
  }
}
