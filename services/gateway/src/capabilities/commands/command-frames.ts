import type { DeliverCommand, DeliveryTarget } from '@muster/messages';
import { encodeCbor, encodeFrame, FRAME } from '@muster/protocol';

/** The first byte of a CBOR map with six entries (RFC 8949 §3.1). */
const MAP_OF_SIX = 0xa6;

/**
 * Makes the COMMAND frames of one delivery. Most of each frame is the same for all targets, and is encoded once: in deterministic CBOR the
 * keys of a map are in order, shorter ones first, and `id`, `jws` and `keys` come before the three that differ.
 */
export function commandFrames({
  id,
  jws,
  keys,
}: Pick<DeliverCommand, 'id' | 'jws' | 'keys'>): (target: DeliveryTarget) => Uint8Array {
  const same = encodeCbor({ id, jws, keys });
  return ([number, , proof, binding]) => {
    const own = encodeCbor({ number, proof, binding });
    const body = new Uint8Array(same.length + own.length - 1);
    body.set(same);
    body.set(own.subarray(1), same.length);
    body[0] = MAP_OF_SIX;
    return encodeFrame(FRAME.command, 0, body);
  };
}
