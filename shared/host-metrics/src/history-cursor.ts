import { ByteReader, MalformedBytes } from '@muster/protocol/byte-stream';
import { HISTORY_KINDS, type HistoryKind } from './history-kinds.js';
import { KeyframeReader } from './keyframe-reader.js';
import { applyChanges } from './sample-codec.js';
import type { Sample, Shape } from './sample.js';
import { unzigzag } from './varint.js';

/**
 * Walks over the samples of a piece of history. Its values are one vector that changes with each step, so that a walk
 * makes no object for each sample.
 */
export class HistoryCursor {
  readonly kind: HistoryKind;
  readonly shape: Shape;
  /** Of the sample at which it stands. */
  seq: number;
  atMs: number;
  readonly values: Float64Array;
  readonly positions: Int32Array | undefined;
  readonly #input: ByteReader;

  /** It stands at the first sample. `keyframes`: of a reader of many pieces. Throws `MalformedBytes`. */
  constructor(piece: Uint8Array, keyframes = new KeyframeReader()) {
    this.#input = new ByteReader(piece);
    this.kind = readKind(this.#input);
    const { shape, seq, atMs, values, positions } = keyframes.read(this.#input.bytes(this.#input.varint()));
    this.shape = shape;
    this.seq = seq;
    this.atMs = atMs;
    this.values = values;
    this.positions = positions;
  }

  /** Goes to the next sample; false at the end. Throws `MalformedBytes`; then its values are not valid any more. */
  next(): boolean {
    if (this.#input.done) return false;
    const entry = this.#input.part(this.#input.varint());
    this.seq = entry.varint();
    this.atMs += unzigzag(entry.varint());
    applyChanges(entry, this);
    return true;
  }

  /** What is encoded of the samples after this one; a view. */
  rest(): Uint8Array {
    return this.#input.rest();
  }

  /** A sample that stays as it is. */
  copy(): Sample {
    const { seq, atMs, shape, positions } = this;
    const sample = { seq, atMs, shape, values: this.values.slice() };
    return positions === undefined ? sample : { ...sample, positions };
  }
}

/** The times of the first and the last sample of a piece, without reading their values. Throws `MalformedBytes`. */
export interface HistorySpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly samples: number;
  /** Whether no time goes back. */
  readonly isOrdered: boolean;
}

export function historySpan(piece: Uint8Array): HistorySpan {
  const input = new ByteReader(piece);
  readKind(input);
  const keyframe = input.part(input.varint());
  keyframe.varint();
  const fromMs = keyframe.varint();
  let [toMs, samples, isOrdered] = [fromMs, 1, true];
  while (!input.done) {
    const entry = input.part(input.varint());
    entry.varint();
    const laterMs = unzigzag(entry.varint());
    if (laterMs <= 0) isOrdered = false;
    toMs += laterMs;
    samples += 1;
  }
  return { fromMs, toMs, samples, isOrdered };
}

/** Of a piece, without reading the rest of it. Throws `MalformedBytes`. */
export function historyKind(bytes: Uint8Array): HistoryKind {
  return readKind(new ByteReader(bytes));
}

function readKind(input: ByteReader): HistoryKind {
  const kind = HISTORY_KINDS[input.varint()];
  if (kind === undefined) throw new MalformedBytes('it is history of an unknown kind');
  return kind;
}
