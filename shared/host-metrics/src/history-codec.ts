import { HistoryCursor } from './history-cursor.js';
import { HistoryEncoder } from './history-encoder.js';
import type { HistoryKind } from './history-kinds.js';
import type { Sample } from './sample.js';

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

/** Throws `MalformedBytes`. */
export function decodeHistory(bytes: Uint8Array): HistoryPiece {
  const cursor = new HistoryCursor(bytes);
  const samples: Sample[] = [];
  do samples.push(cursor.copy());
  while (cursor.next());
  return { kind: cursor.kind, samples };
}

/**
 * The samples of a piece since then, as a piece; `undefined` when all are older. What is kept of it is copied as it is
 * encoded, but for a new keyframe. Throws `MalformedBytes`.
 */
export function cutHistory(piece: Uint8Array, sinceMs: number): Uint8Array | undefined {
  const cursor = new HistoryCursor(piece);
  while (cursor.atMs < sinceMs) if (!cursor.next()) return undefined;
  // Changes count in the order of the sender's catalogue, which a new keyframe would not have.
  if (cursor.positions !== undefined) {
    const samples = decodeHistory(piece).samples.filter(({ atMs }) => atMs >= sinceMs);
    return encodeHistory({ kind: cursor.kind, samples });
  }
  const encoder = new HistoryEncoder(cursor.kind, cursor.copy());
  const [head, rest] = [encoder.finish(), cursor.rest()];
  const cut = new Uint8Array(head.length + rest.length);
  cut.set(head);
  cut.set(rest, head.length);
  return cut;
}
