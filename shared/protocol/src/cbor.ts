import { decode, encode, rfc8949EncodeOptions } from 'cborg';

/** Deterministic CBOR (RFC 8949 §4.2.1): equal values are equal bytes. Throws on what CBOR has no word for. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes one CBOR item that must fill `bytes` exactly. Throws on malformed input, indefinite lengths, duplicate keys, tags and
 * `undefined`. Integers beyond 2^53 come back as `bigint`.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return decode(bytes, {
    allowIndefinite: false,
    allowUndefined: false,
    rejectDuplicateMapKeys: true,
    allowBigInt: true,
  });
}
