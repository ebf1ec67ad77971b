import { encodeFrame, FLAG_FINAL, FRAME, skipRow, type QueryBody } from '@muster/protocol';
import type { RowsAnswer } from './answer.js';

/** One answer on its way, under the credit that the gateway gives. */
export class Delivery {
  readonly ref: number;
  /** The delay of a slow agent; credit that comes meanwhile counts. */
  timer: NodeJS.Timeout | undefined;
  readonly #columns: number;
  readonly #send: (frame: Uint8Array) => void;
  #credit: number;
  #answer: RowsAnswer | undefined;
  #chunk = 0;
  #offset = 0;
  /** More credit was asked for and has not come. */
  #starved = false;

  constructor(ref: number, query: QueryBody, send: (frame: Uint8Array) => void) {
    this.ref = ref;
    this.#columns = query.columns.length;
    this.#credit = query.credit;
    this.#send = send;
  }

  /** Begins to send; true when all is sent. */
  give(answer: RowsAnswer): boolean {
    this.#answer = answer;
    return this.#pump(answer);
  }

  /** Sends what the new credit allows; true when all is sent. */
  addCredit(bytes: number): boolean {
    this.#credit += bytes;
    this.#starved = false;
    return this.#answer !== undefined && this.#pump(this.#answer);
  }

  #pump(answer: RowsAnswer): boolean {
    for (;;) {
      const chunk = answer.chunks[this.#chunk];
      if (chunk === undefined) return true;
      if (chunk.length - this.#offset <= this.#credit) this.#sendChunk(answer, chunk);
      else if (!this.#sendPart(chunk)) return false;
    }
  }

  /** The rest of a chunk; usually all of it, and that frame is the same for everybody. */
  #sendChunk(answer: RowsAnswer, chunk: Uint8Array): void {
    const flags = this.#chunk === answer.chunks.length - 1 ? FLAG_FINAL : 0;
    const shared = this.#offset === 0 ? answer.frames(this.ref)[this.#chunk] : undefined;
    this.#send(shared ?? encodeFrame(FRAME.rows, this.ref, chunk.subarray(this.#offset), flags));
    this.#credit -= chunk.length - this.#offset;
    this.#chunk += 1;
    this.#offset = 0;
  }

  /** As many whole rows as the credit covers; when that is none, an empty frame says that more credit is needed. */
  #sendPart(chunk: Uint8Array): boolean {
    const from = this.#offset;
    let end = from;
    for (let next = skipRow(chunk, end, this.#columns); next >= 0 && next - from <= this.#credit;) {
      end = next;
      next = skipRow(chunk, end, this.#columns);
    }
    const nothingFits = end === from;
    if (nothingFits && this.#starved) return false;
    this.#starved = nothingFits;
    this.#send(encodeFrame(FRAME.rows, this.ref, chunk.subarray(from, end)));
    this.#credit -= end - from;
    this.#offset = end;
    return !nothingFits;
  }
}
