import { BATCH_ENTRY_BYTES } from '@muster/protocol';
import { purposeOf, type TrafficPurpose } from './purpose.js';

/** The bytes of a batch by purpose. In a compressed batch each frame gets its share of the body. */
export function bytesByPurpose(frames: readonly Uint8Array[], bodyBytes: number): ReadonlyMap<TrafficPurpose, number> {
  const plainBytes = frames.reduce((sum, frame) => sum + BATCH_ENTRY_BYTES + frame.length, 0);
  const shares = new Map<TrafficPurpose, number>();
  let [before, counted] = [0, 0];
  for (const frame of frames) {
    before += BATCH_ENTRY_BYTES + frame.length;
    // Cumulative and not frame by frame, so that no byte is lost by rounding.
    const upTo = Math.round((before * bodyBytes) / plainBytes);
    const purpose = purposeOf(frame);
    shares.set(purpose, (shares.get(purpose) ?? 0) + upTo - counted);
    counted = upTo;
  }
  return shares;
}
