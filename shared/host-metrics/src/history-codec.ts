import { decodeKeyframe, encodeKeyframe, readChanges, writeChanges } from './sample-codec.js';
import type { Sample } from './sample.js';
import { ByteReader, ByteWriter, MalformedSample, unzigzag, zigzag } from './varint.js';

/**
 * `seconds`: samples as they were taken. `mean`, `lowest`, `highest`: of one minute each; for counters, of their growth per second. `atMs` of a
 * minute is its end.
 */
export const HISTORY_KINDS = ['seconds', 'mean', 'lowest', 'highest'] as const;
export type HistoryKind = (typeof HISTORY_KINDS)[number];

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
  const out = new ByteWriter();
  const keyframe = encodeKeyframe(first);
  out.varint(HISTORY_KINDS.indexOf(kind));
  out.varint(keyframe.length);
  out.bytes(keyframe);
  let before = first;
  for (const sample of rest) {
    const entry = new ByteWriter();
    entry.varint(sample.seq);
    entry.varint(zigzag(sample.atMs - before.atMs));
    writeChanges(entry, sample.values, before.values);
    out.varint(entry.length);
    out.bytes(entry.finish());
    before = sample;
  }
  return out.finish();
}

/** Throws `MalformedSample`. */
export function decodeHistory(bytes: Uint8Array): HistoryPiece {
  const input = new ByteReader(bytes);
  const kind = HISTORY_KINDS[input.varint()];
  if (kind === undefined) throw new MalformedSample('it is history of an unknown kind');
  let before = decodeKeyframe(input.bytes(input.varint()));
  const samples = [before];
  while (!input.done) {
    const entry = new ByteReader(input.bytes(input.varint()));
    const seq = entry.varint();
    const atMs = before.atMs + unzigzag(entry.varint());
    before = { seq, atMs, shape: before.shape, values: readChanges(entry, before.values) };
    samples.push(before);
  }
  return { kind, samples };
}
