import { CborDecoder } from './cbor-decoder.js';
import { CborEncoder } from './cbor-encoder.js';

/** Deterministic CBOR (RFC 8949 §4.2.1): equal values are equal bytes. Throws on values that CBOR cannot encode. */
export function encodeCbor(value: unknown): Uint8Array {
  return CborEncoder.encode(value, { isSorted: true });
}

/** CBOR with map keys in the order in which they were set, for messages that are not compared or hashed by their bytes. */
export function encodeCborUnsorted(value: unknown): Uint8Array {
  return CborEncoder.encode(value, { isSorted: false });
}

/**
 * Decodes one CBOR item that must fill `bytes` exactly. Throws on malformed input, indefinite lengths, duplicate keys, tags and
 * `undefined`. Integers beyond 2^53 come back as `bigint`.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return new CborDecoder(bytes).read();
}

/** As {@link decodeCbor}, but byte strings are views of `bytes`, which cost less and are valid as long as `bytes` stay as they are. */
export function decodeCborInPlace(bytes: Uint8Array): unknown {
  return new CborDecoder(bytes, { inPlace: true }).read();
}
