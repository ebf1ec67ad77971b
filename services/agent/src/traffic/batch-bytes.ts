import { BATCH_ENTRY_BYTES } from '@muster/protocol';
import { purposeOf, type TrafficPurpose } from './purpose.js';

/** How many bytes of a batch are for what; of a compressed one, each frame has its share of the body. */
export function bytesByPurpose(frames: readonly Uint8Array[], bodyBytes: number): ReadonlyMap<TrafficPurpose, number> {
  const plainBytes = frames.reduce((sum, frame) => sum + BATCH_ENTRY_BYTES + frame.length, 0);
  const shares = new Map<TrafficPurpose, number>();
  let [before, counted] = [0, 0];
  for (const frame of frames) {
    before += BATCH_ENTRY_BYTES + frame.length;
    // Up to the whole body and not frame by frame, so that no byte is lost by rounding.
    const upTo = Math.round((before * bodyBytes) / plainBytes);
    const purpose = purposeOf(frame);
    shares.set(purpose, (shares.get(purpose) ?? 0) + upTo - counted);
    counted = upTo;
  }
  return shares;
}
