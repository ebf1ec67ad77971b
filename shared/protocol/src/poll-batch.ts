import { HEADER_BYTES } from './frames.js';
import { LIMITS } from './limits.js';

/** The media type of a batch of frames, in requests and replies of Poll. */
export const POLL_MEDIA_TYPE = 'application/vnd.muster.v1';

/** Names the poll session in requests, and in the reply that opens it. */
export const POLL_SESSION_HEADER = 'muster-session';
/** Numbers the requests of a session that carry frames, from 1. */
export const POLL_SEQUENCE_HEADER = 'muster-sequence';
/** In replies: milliseconds until the next poll, where it is not the session's interval. */
export const POLL_AFTER_HEADER = 'muster-poll-after';

export interface BatchedFrame {
  readonly frame: Uint8Array;
  /** How long the frame waited before the batch was made, in ms: times within its body count from then. */
  readonly ageMs: number;
}

/** Length and age before each frame, four bytes each, big-endian. */
export const BATCH_ENTRY_BYTES = 8;
const MAX_AGE_MS = 0xffff_ffff;

/** Joins frames into a batch. Each has {@link BATCH_ENTRY_BYTES} of length and age before it. */
export function encodeBatch(frames: readonly BatchedFrame[]): Uint8Array {
  const total = frames.reduce((sum, { frame }) => sum + BATCH_ENTRY_BYTES + frame.length, 0);
  const batch = new Uint8Array(total);
  const view = new DataView(batch.buffer);
  let at = 0;
  for (const { frame, ageMs } of frames) {
    view.setUint32(at, frame.length);
    view.setUint32(at + 4, Math.min(Math.max(0, Math.round(ageMs)), MAX_AGE_MS));
    batch.set(frame, at + BATCH_ENTRY_BYTES);
    at += BATCH_ENTRY_BYTES + frame.length;
  }
  return batch;
}

/** The frames of a batch, as views of it; `undefined` when it is cut off, over a limit, or has an entry too short for a frame. */
export function decodeBatch(batch: Uint8Array): BatchedFrame[] | undefined {
  if (batch.length > LIMITS.pollBodyBytes) return undefined;
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length);
  const frames: BatchedFrame[] = [];
  for (let at = 0; at < batch.length;) {
    if (at + BATCH_ENTRY_BYTES > batch.length || frames.length === LIMITS.pollFrames) return undefined;
    const length = view.getUint32(at);
    const start = at + BATCH_ENTRY_BYTES;
    if (length < HEADER_BYTES || start + length > batch.length) return undefined;
    frames.push({ frame: batch.subarray(start, start + length), ageMs: view.getUint32(at + 4) });
    at = start + length;
  }
  return frames;
}
