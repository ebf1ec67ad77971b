import { AppError } from '@muster/protocol';
import type { FeedPart, FeedRecord } from '@muster/records';

type Sum = Pick<FeedRecord, 'records' | 'withdrawn' | 'refused' | 'faults' | 'bytes' | 'ecosystems' | 'newestMs'>;

const FAULTS = 20;
/** OSV has about 200. */
const MAX_ECOSYSTEMS = 1_000;

/** What all parts of a version have together. @throws AppError `bad_feed` where one is missing */
export async function sumParts(parts: AsyncIterable<FeedPart>, expected: number): Promise<Sum> {
  const seen = new Set<number>();
  const ecosystems = new Set<string>();
  const faults: string[] = [];
  let [records, withdrawn, refused, bytes, newestMs] = [0, 0, 0, 0, 0];
  for await (const part of parts) {
    if (seen.has(part.index)) continue;
    seen.add(part.index);
    records += part.records;
    withdrawn += part.withdrawn;
    refused += part.refused;
    bytes += part.text.length;
    newestMs = Math.max(newestMs, part.newestMs ?? 0);
    for (const one of part.ecosystems) ecosystems.add(one);
    faults.push(...part.faults.slice(0, FAULTS - faults.length));
    if (ecosystems.size > MAX_ECOSYSTEMS)
      throw new AppError('bad_feed', `the feed has more than ${MAX_ECOSYSTEMS} ecosystems`);
  }
  const missing = Array.from({ length: expected }, (_, index) => index).filter((index) => !seen.has(index));
  if (missing.length > 0 || seen.size > expected)
    throw new AppError('bad_feed', `the feed has ${seen.size} parts, and not the ${expected} that it should have`, {
      details: { missing: missing.slice(0, 20) },
    });
  return {
    ...{ records, withdrawn, refused, faults, bytes, ecosystems: [...ecosystems].toSorted() },
    ...(newestMs > 0 ? { newestMs } : {}),
  };
}
