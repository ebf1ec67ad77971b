import { ByteReader, MalformedBytes } from '@muster/protocol/byte-stream';
import { HistoryEncoder } from './history-encoder.js';
import { HISTORY_KINDS, type HistoryKind } from './history-kinds.js';
import { decodeKeyframe, readChanges } from './sample-codec.js';
import type { Sample } from './sample.js';
import { unzigzag } from './varint.js';

/**
 * A piece of an endpoint's past, the oldest sample first. It stands alone: a keyframe, then what is different from the sample before.
 *
 *     history = kind, length of the keyframe, keyframe, until the end: length, seq, zigzag(at − at of the one before), changes
 */
export interface HistoryPiece {
  readonly kind: HistoryKind;
  /** One at least; all have the same shape. */
  readonly samples: readonly Sample[];
}

export function encodeHistory({ kind, samples }: HistoryPiece): Uint8Array {
  const [first, ...rest] = samples;
  if (first === undefined) throw new RangeError('a piece of history has one sample at least');
  const encoder = new HistoryEncoder(kind, first);
  for (const sample of rest) encoder.add(sample);
  return encoder.finish();
}

/** Of a piece, without reading the rest of it. Throws `MalformedBytes`. */
export function historyKind(bytes: Uint8Array): HistoryKind {
  return readKind(new ByteReader(bytes));
}

/** Throws `MalformedBytes`. */
export function decodeHistory(bytes: Uint8Array): HistoryPiece {
  const input = new ByteReader(bytes);
  const kind = readKind(input);
  let before = decodeKeyframe(input.bytes(input.varint()));
  const samples = [before];
  while (!input.done) {
    const entry = new ByteReader(input.bytes(input.varint()));
    const seq = entry.varint();
    const atMs = before.atMs + unzigzag(entry.varint());
    before = { ...before, seq, atMs, values: readChanges(entry, before) };
    samples.push(before);
  }
  return { kind, samples };
}

function readKind(input: ByteReader): HistoryKind {
  const kind = HISTORY_KINDS[input.varint()];
  if (kind === undefined) throw new MalformedBytes('it is history of an unknown kind');
  return kind;
}
