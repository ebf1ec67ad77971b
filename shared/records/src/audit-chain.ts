import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AuditRecord } from './operator-records.js';
import { encodeRecord } from './record-codec.js';

/**
 * The audit chain of an org. Each record names the SHA-256 of the record before it. So a record that was changed, removed, inserted or
 * moved no longer fits its neighbours. A chain cannot show that its end was cut off: to detect that, store the newest hash elsewhere.
 * Records from before the chain was introduced name no hash; they can only be at the start.
 */
export interface ChainLink {
  readonly seq: number;
  readonly record: AuditRecord;
  /** The hash that came with the record; compared with the one computed here. */
  readonly hash?: string;
}

export interface ChainFault {
  /**
   * - `changed`: the record does not match its hash.
   * - `unchained`: it names no record before it, though the chain had begun.
   * - `inserted`: the records between `after` and `seq` do not belong there.
   * - `moved`: the record at `seq` comes after the one that names it.
   * - `broken`: the record at `after` was changed, or records between `after` and `seq` were removed; the chain cannot tell which.
   */
  readonly kind: 'changed' | 'unchained' | 'inserted' | 'moved' | 'broken';
  readonly seq: number;
  readonly after: number;
  readonly message: string;
}

export interface ChainReport {
  readonly records: number;
  /** How many of them are from before the chain. */
  readonly unchained: number;
  /** The oldest stored record names one that is not stored: its age limit was reached, or the start was cut off. */
  readonly cut: boolean;
  readonly faults: readonly ChainFault[];
  /** Hash of the newest record; empty when there is none. */
  readonly head: string;
  readonly headSeq: number;
}

/** The hash that the next record names, hex. */
export function auditHash(record: AuditRecord | Uint8Array): string {
  return createHash('sha256')
    .update(record instanceof Uint8Array ? record : encodeRecord(record))
    .digest('hex');
}

/** How many records back a fault can still be explained. */
const REMEMBERED = 10_000;
const MAX_FAULTS = 1_000;

/** Checks a chain record by record, oldest first, in bounded memory. */
export class ChainVerifier {
  readonly #faults: ChainFault[] = [];
  /** Hash → sequence of the last records. */
  readonly #seen = new LRUCache<string, number>({ max: REMEMBERED });
  /** Hash that no record had → sequence of the record that named it. */
  readonly #missing = new LRUCache<string, number>({ max: REMEMBERED });
  #records = 0;
  #unchained = 0;
  #cut = false;
  #hasBegun = false;
  #head = '';
  #headSeq = 0;

  /** Takes the next record and returns the faults that it shows. */
  next(link: ChainLink): readonly ChainFault[] {
    const before = this.#faults.length;
    const hash = auditHash(link.record);
    if (link.hash !== undefined && link.hash !== hash) {
      this.#fault('changed', link.seq, `record ${link.seq} is not what its hash says: it was changed`);
    }
    this.#checkPrevious(link);
    const namedBy = this.#missing.get(hash);
    if (namedBy !== undefined) {
      this.#missing.delete(hash);
      this.#fault('moved', link.seq, `record ${link.seq} belongs before record ${namedBy}: their order was changed`);
    }
    this.#remember(hash, link.seq);
    return this.#faults.slice(before);
  }

  report(): ChainReport {
    return {
      records: this.#records,
      unchained: this.#unchained,
      cut: this.#cut,
      faults: [...this.#faults],
      head: this.#head,
      headSeq: this.#headSeq,
    };
  }

  /** Checks that the record names the one before it. */
  #checkPrevious({ seq, record: { prev } }: ChainLink): void {
    if (prev === undefined) {
      if (this.#hasBegun) this.#fault('unchained', seq, `record ${seq} names no record before it: it was inserted`);
      else this.#unchained += 1;
      return;
    }
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    if (prev === this.#head) return;
    if (this.#records === 0) {
      this.#cut = true;
      return;
    }
    const named = this.#seen.get(prev);
    const after = this.#headSeq;
    if (named !== undefined) {
      this.#fault(
        'inserted',
        seq,
        `record ${seq} follows record ${named}: what stands between them was inserted or moved`,
        named,
      );
    } else {
      const what = isFirst ? 'the records before the chain' : `record ${after}`;
      this.#fault(
        'broken',
        seq,
        `record ${seq} does not follow record ${after}: ${what} was changed, or records between them were removed`,
        after,
      );
      this.#missing.set(prev, seq);
    }
  }

  #remember(hash: string, seq: number): void {
    this.#seen.set(hash, seq);
    this.#records += 1;
    this.#head = hash;
    this.#headSeq = seq;
  }

  #fault(kind: ChainFault['kind'], seq: number, message: string, after = this.#headSeq): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ kind, seq, after, message });
  }
}

/** Checks a whole chain in memory. */
export function verifyChain(links: Iterable<ChainLink>): ChainReport {
  const verifier = new ChainVerifier();
  for (const link of links) verifier.next(link);
  return verifier.report();
}
