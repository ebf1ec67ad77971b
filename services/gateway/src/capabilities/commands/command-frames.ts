import type { DeliverCommand, DeliveryTarget } from '@muster/messages';
import { encodeCbor, encodeFrame, FRAME, HEADER_BYTES } from '@muster/protocol';

/** The first byte of a CBOR map with six entries (RFC 8949 §3.1). */
const MAP_OF_SIX = 0xa6;
const NO_BODY = new Uint8Array(0);

/**
 * Makes the COMMAND frames of one delivery. Most of each frame is the same for all targets, and is encoded once: in deterministic CBOR the
 * keys of a map are in order, shorter ones first, and `id`, `jws` and `keys` come before the three that differ.
 */
export function commandFrames({
  id,
  jws,
  keys,
}: Pick<DeliverCommand, 'id' | 'jws' | 'keys'>): (target: DeliveryTarget) => Uint8Array {
  const head = encodeFrame(FRAME.command, 0, NO_BODY);
  const same = encodeCbor({ id, jws, keys });
  same[0] = MAP_OF_SIX;
  const begin = new Uint8Array(HEADER_BYTES + same.length);
  begin.set(head);
  begin.set(same, HEADER_BYTES);
  return ([number, , proof, binding]) => {
    const own = encodeCbor({ number, proof, binding });
    // From the pool: memory of its own for each of thousands of frames costs more than what is done with them.
    const frame = Buffer.allocUnsafe(begin.length + own.length - 1);
    // The first byte of the second map says that it has three entries; what comes before it is written over that byte.
    frame.set(own, begin.length - 1);
    frame.set(begin);
    return frame;
  };
}
