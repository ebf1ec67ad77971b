import { ByteReader, ByteWriter } from '@muster/protocol';

/**
 * A set of agent numbers as runs: pairs of varints (gap since the end of the last run, length of the run). Agents that enrolled
 * together have neighbouring numbers, so fifteen thousand of them take a few bytes to a few kilobytes.
 */
export function encodeNumberSet(numbers: Iterable<number>): Uint8Array {
  const sorted = Float64Array.from(numbers).sort();
  const out = new ByteWriter(Math.max(16, sorted.length));
  let end = 0;
  for (let i = 0; i < sorted.length;) {
    const start = sorted[i] ?? 0;
    let next = start + 1;
    for (i += 1; i < sorted.length && (sorted[i] ?? 0) <= next; i += 1) if (sorted[i] === next) next += 1;
    out.varint(start - end);
    out.varint(next - start);
    end = next;
  }
  return out.view();
}

/** The numbers of a set in rising order. Throws `RangeError` on truncated input and on sets over `limit` members. */
export function decodeNumberSet(bytes: Uint8Array, limit = 10_000_000): number[] {
  return decode(bytes, { limit, highest: Number.POSITIVE_INFINITY }).numbers;
}

/** The numbers of a set up to `highest`, and how many are above: those take no memory. Throws as {@link decodeNumberSet} does. */
export function decodeNumbersThrough(
  bytes: Uint8Array,
  highest: number,
): { readonly numbers: number[]; readonly above: number } {
  return decode(bytes, { limit: 10_000_000, highest });
}

function decode(bytes: Uint8Array, { limit, highest }: { readonly limit: number; readonly highest: number }) {
  const reader = new ByteReader(bytes);
  const numbers: number[] = [];
  let above = 0;
  let end = 0;
  while (!reader.done) {
    const start = end + reader.varint();
    const length = reader.varint();
    const taken = Math.max(0, Math.min(length, highest - start + 1));
    if (numbers.length + taken > limit) throw new RangeError('number set over its limit');
    for (let i = 0; i < taken; i += 1) numbers.push(start + i);
    above += length - taken;
    end = start + length;
  }
  return { numbers, above };
}
