import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { AppError, LIMITS, type FeedKind } from '@muster/protocol';
import type { FeedPart } from '@muster/records';
import { readFeedRecord, splitRecords } from '@muster/vulnerabilities';

export interface GivenPart {
  readonly kind: FeedKind;
  readonly index: number;
  /** Raw deflate. */
  readonly data: Uint8Array;
  /** What the sender could not read. */
  readonly refused: number;
  readonly faults: readonly string[];
}

const FAULTS = 20;
const FAULT_CHARS = 300;
/** Ecosystems of one part, and the length of a name. OSV has about 200 of them. */
const MAX_ECOSYSTEMS = 1_000;
const ECOSYSTEM_CHARS = 100;
/** What one message of the broker takes, with room for the rest of the entry. */
const KEPT_BYTES = 800 * 1024;
/** Records between two looks at the event loop. */
const AT_ONCE = 500;

/**
 * Reads a part of unknown origin, and leaves out of its records what matching does not read. What is no record is
 * counted, with the first faults.
 * @throws AppError `bad_feed`, `too_large`
 */
export async function readPart({ kind, index, data, refused, faults: told }: GivenPart): Promise<FeedPart> {
  const faults = told.slice(0, FAULTS).map((fault) => fault.slice(0, FAULT_CHARS));
  const counts = { records: 0, withdrawn: 0, refused };
  const ecosystems = new Set<string>();
  let newestMs: number | undefined;
  const lines: string[] = [];
  const refuse = (message: string): void => {
    counts.refused += 1;
    if (faults.length < FAULTS) faults.push(message.slice(0, FAULT_CHARS));
  };
  for await (const piece of splitRecords([textOf(data)])) {
    const read =
      piece.kind === 'record'
        ? readFeedRecord(kind, piece.text)
        : { ok: false as const, message: 'message' in piece ? piece.message : 'a record is larger than 8 MiB' };
    if (!read.ok) {
      refuse(read.message);
      continue;
    }
    const { record } = read;
    if (record.ecosystems.some((one) => one.length > ECOSYSTEM_CHARS)) {
      refuse(`the name of an ecosystem has more than ${ECOSYSTEM_CHARS} characters`);
      continue;
    }
    for (const one of record.ecosystems) ecosystems.add(one);
    if (ecosystems.size > MAX_ECOSYSTEMS)
      throw new AppError('bad_feed', `part ${index} has more than ${MAX_ECOSYSTEMS} ecosystems`);
    counts.records += 1;
    if (record.isWithdrawn) counts.withdrawn += 1;
    if (record.modifiedMs !== undefined && record.modifiedMs > (newestMs ?? 0)) newestMs = record.modifiedMs;
    lines.push(record.text);
    if (lines.length % AT_ONCE === 0) await new Promise(setImmediate);
  }
  const text = deflateRawSync(lines.join('\n'));
  if (text.length > KEPT_BYTES)
    throw new AppError('too_large', `part ${index} takes more than ${KEPT_BYTES} bytes: send fewer records in a part`);
  return {
    ...{ t: 'part', index, ...counts, faults, ecosystems: [...ecosystems].toSorted(), text },
    ...(newestMs === undefined ? {} : { newestMs }),
  };
}

/** The records of a kept part, a JSON text each. */
export function* recordsOf({ text }: FeedPart): Generator<string> {
  const lines = inflateRawSync(text, { maxOutputLength: LIMITS.feedPartTextBytes }).toString('utf8');
  for (let from = 0; from < lines.length;) {
    const end = lines.indexOf('\n', from);
    const to = end < 0 ? lines.length : end;
    yield lines.slice(from, to);
    from = to + 1;
  }
}

function textOf(data: Uint8Array): string {
  if (data.length > LIMITS.feedPartBytes)
    throw new AppError('too_large', `a part of a feed has at most ${LIMITS.feedPartBytes} bytes`);
  try {
    return inflateRawSync(data, { maxOutputLength: LIMITS.feedPartTextBytes }).toString('utf8');
  } catch (cause) {
    throw new AppError(
      'bad_feed',
      `the part cannot be unpacked, or is over ${LIMITS.feedPartTextBytes} bytes when it is`,
      { cause },
    );
  }
}
