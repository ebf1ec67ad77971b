import { encode, rfc8949EncodeOptions } from 'cborg';

/** SHA-256 of a record's deterministic CBOR, hex. The encoder of the services needs Node; cborg writes the same bytes. */
export async function hashOf(record: unknown): Promise<string> {
  const bytes = encode(record, rfc8949EncodeOptions) as Uint8Array<ArrayBuffer>;
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
