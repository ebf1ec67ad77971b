import { encodeFrame, FLAG_FINAL, FRAME, type AgentOutcome, type QueryBody } from '@muster/protocol';
import type { Machine } from '../machine/machine.js';

/** An agent's answer to a query: rows in chunks (each a CBOR sequence of rows), or the outcome in their place. */
export type Answer = RowsAnswer | EndedAnswer;

export interface EndedAnswer {
  readonly kind: 'ended';
  readonly outcome: AgentOutcome;
  readonly code: string;
  readonly message: string;
}

/** Computes the answers of agents. */
export interface AnswerSource {
  answer(machine: Machine, query: QueryBody): Answer;
}

/** One answer, shared by all agents that give the same. */
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

  /** The chunks as ROWS frames. A gateway uses one `ref` for all its agents, so the latest frames are cached. */
  frames(ref: number): readonly Uint8Array[] {
    if (ref !== this.#ref) {
      const last = this.chunks.length - 1;
      this.#frames = this.chunks.map((chunk, i) => encodeFrame(FRAME.rows, ref, chunk, i === last ? FLAG_FINAL : 0));
      this.#ref = ref;
    }
    return this.#frames;
  }
}
