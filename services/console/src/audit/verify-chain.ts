import type { AuditLinkJson } from '@muster/api-contract';

/** What is wrong with the chain, at one record. */
export interface ChainFault {
  readonly seq: number;
  readonly message: string;
}

export interface ChainReport {
  readonly records: number;
  readonly firstSeq: number | undefined;
  readonly lastSeq: number | undefined;
  /** The hash of the newest record: kept elsewhere, it shows later whether the end was cut off. */
  readonly head: string;
  readonly faults: readonly ChainFault[];
}

/** More than anybody reads. */
const MAX_FAULTS = 100;

/**
 * Checks the audit record of an org, oldest first: each record is what its hash says, and names the one before it.
 * `hashOf` computes the hash of a record from the record alone. @throws what reading throws
 */
export async function verifyChain(
  links: AsyncIterable<AuditLinkJson>,
  hashOf: (record: AuditLinkJson['record']) => Promise<string>,
  onProgress: (records: number) => void = () => undefined,
): Promise<ChainReport> {
  const faults: ChainFault[] = [];
  let [records, head, hasBegun] = [0, '', false];
  let firstSeq: number | undefined;
  let lastSeq: number | undefined;
  const fault = (seq: number, message: string): void => {
    if (faults.length < MAX_FAULTS) faults.push({ seq, message });
  };
  for await (const { seq, hash, record } of links) {
    const computed = await hashOf(record);
    if (computed !== hash) fault(seq, 'is not what its hash says: it was changed');
    // Records from before the chain name none; the oldest that is kept may name one that is not.
    if (record.prev === undefined && hasBegun) fault(seq, 'names no record before it, though the chain had begun');
    if (record.prev !== undefined && records > 0 && record.prev !== head && (hasBegun || record.prev !== ''))
      fault(seq, `does not follow record ${lastSeq ?? 0}: one was changed, removed, inserted or moved`);
    hasBegun ||= record.prev !== undefined;
    firstSeq ??= seq;
    [records, head, lastSeq] = [records + 1, computed, seq];
    if (records % 500 === 0) onProgress(records);
  }
  return { records, firstSeq, lastSeq, head, faults };
}
