import { encodeFrame, FLAG_FINAL, FRAME, type AgentOutcome, type QueryBody } from '@muster/protocol';
import type { Machine } from './machine/machine.js';

/** What an agent says to a query: rows in chunks (each a CBOR sequence of rows), or why there are none. */
export type Answer = RowsAnswer | EndedAnswer;

export interface EndedAnswer {
  readonly kind: 'ended';
  readonly outcome: AgentOutcome;
  readonly code: string;
  readonly message: string;
}

/** Where agents take their answers from. */
export interface AnswerSource {
  answer(machine: Machine, query: QueryBody): Answer;
}

/** One answer, shared by all agents that would give the same. */
export class RowsAnswer {
  readonly kind = 'rows';
  /** At least one: an answer without rows is one empty chunk. */
  readonly chunks: readonly Uint8Array[];
  readonly rows: number;
  #ref = -1;
  #frames: readonly Uint8Array[] = [];

  constructor(chunks: readonly Uint8Array[], rows: number) {
    this.chunks = chunks.length === 0 ? [new Uint8Array(0)] : chunks;
    this.rows = rows;
  }

  /** The chunks as ROWS frames. One gateway asks all its agents under one `ref`, so the last ones are kept. */
  frames(ref: number): readonly Uint8Array[] {
    if (ref !== this.#ref) {
      const last = this.chunks.length - 1;
      this.#frames = this.chunks.map((chunk, i) => encodeFrame(FRAME.rows, ref, chunk, i === last ? FLAG_FINAL : 0));
      this.#ref = ref;
    }
    return this.#frames;
  }
}
