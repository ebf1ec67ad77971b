import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { SqlValue } from '@muster/protocol';
import { bytes, ofText, type SqlFunction, strict, text } from './sql-function.js';

/** Hashes what stands before the first NUL, as osquery does. */
function digest(algorithm: string): SqlFunction {
  return strict(algorithm, 1, (value) => {
    const all = bytes(value);
    const end = all.indexOf(0);
    return createHash(algorithm)
      .update(end < 0 ? all : all.subarray(0, end))
      .digest('hex');
  });
}

const toBase64 = (value: Uint8Array): string => Buffer.from(value).toString('base64');
const BASE64 = /^[A-Za-z0-9+/]*$/;

/** Empty for what is no base64. Line breaks do not count, and padding in the middle is zeros. Bytes that are no text are a BLOB. */
function fromBase64(encoded: string): SqlValue {
  const data = encoded.replaceAll(/\r?\n/g, '').replace(/=+$/, '').replaceAll('=', 'A');
  if (!BASE64.test(data) || data.length % 4 === 1) return '';
  const decoded = Buffer.from(data, 'base64');
  return isUtf8(decoded) ? decoded.toString() : decoded;
}

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

export const ENCODING_FUNCTIONS: readonly SqlFunction[] = ofText([
  strict('to_base64', 1, (value) => toBase64(bytes(value))),
  strict('from_base64', 1, (value) => fromBase64(text(value))),
  strict('conditional_to_base64', 1, (value) =>
    bytes(value).every(isPrintable) ? text(value) : toBase64(bytes(value)),
  ),
  digest('md5'),
  digest('sha1'),
  digest('sha256'),
]);
