import { INSTANCE_NAME_BYTES } from '@muster/host-metrics';

/** Control characters, and those that change the direction of text or cannot be seen. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A name that the system gave as bytes, here as Latin-1: as text without control characters, at most `maxBytes` of UTF-8. */
export function readableName(latin1: string, maxBytes = INSTANCE_NAME_BYTES): string {
  const text = Buffer.from(latin1, 'latin1').toString('utf8').replaceAll(UNPRINTABLE, '?');
  if (Buffer.byteLength(text) <= maxBytes) return text;
  // A character that is cut in two becomes U+FFFD.
  return Buffer.from(text)
    .subarray(0, maxBytes)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '');
}
