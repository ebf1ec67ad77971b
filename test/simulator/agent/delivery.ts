import { encodeFrame, FLAG_FINAL, FRAME, skipRow, type PackClaims, type QueryBody } from '@muster/protocol';
import type { RowsAnswer } from '../truth/answer.js';

/** One answer that is being sent, under the credit that the gateway grants. */
export class Delivery {
  readonly ref: number;
  /** The delay of a slow agent. Credit that arrives meanwhile counts. */
  timer: NodeJS.Timeout | undefined;
  /** The pack whose checks it waits for. */
  wants: PackClaims | undefined;
  readonly #columns: number;
  readonly #send: (frame: Uint8Array) => void;
  #credit: number;
  #answer: RowsAnswer | undefined;
  #chunk = 0;
  #offset = 0;
  /** More credit was requested and has not arrived. */
  #starved = false;

  constructor(ref: number, query: QueryBody, send: (frame: Uint8Array) => void) {
    this.ref = ref;
    this.#columns = query.columns.length;
    this.#credit = query.credit;
    this.#send = send;
  }

  /** Begins to send. Returns true when all is sent. */
  give(answer: RowsAnswer): boolean {
    this.#answer = answer;
    return this.#pump(answer);
  }

  /** Sends what the new credit allows. Returns true when all is sent. */
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

  /** Sends the rest of a chunk. Usually that is the whole chunk, whose frame all agents share. */
  #sendChunk(answer: RowsAnswer, chunk: Uint8Array): void {
    const flags = this.#chunk === answer.chunks.length - 1 ? FLAG_FINAL : 0;
    const shared = this.#offset === 0 ? answer.frames(this.ref)[this.#chunk] : undefined;
    this.#send(shared ?? encodeFrame(FRAME.rows, this.ref, chunk.subarray(this.#offset), flags));
    this.#credit -= chunk.length - this.#offset;
    this.#chunk += 1;
    this.#offset = 0;
  }

  /** Sends as many whole rows as the credit covers. When that is none, an empty frame requests more credit. */
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
