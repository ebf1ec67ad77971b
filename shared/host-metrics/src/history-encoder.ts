import { ByteReader, ByteWriter } from '@muster/protocol/byte-stream';
import { HISTORY_KINDS, type HistoryKind } from './history-kinds.js';
import { encodeKeyframe, writeChanges } from './sample-codec.js';
import type { Sample } from './sample.js';
import { zigzag } from './varint.js';

/** Encodes a piece of history sample by sample, so that what is kept is kept encoded. */
export class HistoryEncoder {
  readonly #out = new ByteWriter();
  #last: Sample;
  #samples = 1;

  /** Throws `RangeError` on values that cannot be encoded, as {@link encodeKeyframe}. */
  constructor(kind: HistoryKind, first: Sample) {
    const keyframe = encodeKeyframe(first);
    this.#out.varint(HISTORY_KINDS.indexOf(kind));
    this.#out.varint(keyframe.length);
    this.#out.bytes(keyframe);
    this.#last = first;
  }

  /** The last sample that was added. */
  get last(): Sample {
    return this.#last;
  }

  get samples(): number {
    return this.#samples;
  }

  /** Bytes of the piece until now. */
  get length(): number {
    return this.#out.length;
  }

  /** `sample` has the same shape as the first one. Its values must not change any more: the next sample is compared with them. */
  add(sample: Sample): void {
    if (sample.shape.length !== this.#last.shape.length) throw new RangeError('a piece of history has one shape');
    const entry = new ByteWriter();
    entry.varint(sample.seq);
    entry.varint(zigzag(sample.atMs - this.#last.atMs));
    writeChanges(entry, sample.values, this.#last.values);
    this.#out.varint(entry.length);
    this.#out.bytes(entry.finish());
    this.#last = sample;
    this.#samples += 1;
  }

  /** The piece until now; more samples can be added afterwards. */
  finish(): Uint8Array {
    return this.#out.finish();
  }
}

/** The same piece of history with all its times moved; none gets below 0. Throws `MalformedBytes`. */
export function moveHistory(piece: Uint8Array, byMs: number): Uint8Array {
  const input = new ByteReader(piece);
  const kind = input.varint();
  const keyframe = new ByteReader(input.bytes(input.varint()));
  const moved = new ByteWriter();
  moved.varint(keyframe.varint());
  moved.varint(Math.max(0, keyframe.varint() + byMs));
  moved.bytes(keyframe.rest());
  const out = new ByteWriter();
  out.varint(kind);
  out.varint(moved.length);
  out.bytes(moved.finish());
  out.bytes(input.rest());
  return out.finish();
}
