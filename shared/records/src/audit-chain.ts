import { createHash } from 'node:crypto';
import type { AuditRecord } from './operator-records.js';
import { encodeRecord } from './record-codec.js';

/**
 * The audit chain of an org: each record names the one before it by the SHA-256 of that record's bytes, so that a record which was changed,
 * removed, inserted or moved no longer fits its neighbours. What no chain can show is the end cut off: whoever must know keeps the newest
 * hash somewhere else. Records from before the chain name nothing; they may stand at the start only.
 */
export interface ChainLink {
  readonly seq: number;
  readonly record: AuditRecord;
  /** What the reader was told of the record's bytes; compared with what they hash to here. */
  readonly hash?: string;
}

export interface ChainFault {
  /**
   * `changed`: the record is not what its hash says. `unchained`: it names no record before it, though the chain had begun. `inserted`:
   * what stands between `after` and `seq` does not belong there. `moved`: the record at `seq` stands after the one that names it.
   * `broken`: the record at `after` was changed, or records between `after` and `seq` were removed; the chain cannot tell which.
   */
  readonly kind: 'changed' | 'unchained' | 'inserted' | 'moved' | 'broken';
  readonly seq: number;
  readonly after: number;
  readonly message: string;
}

export interface ChainReport {
  readonly records: number;
  /** Of these at the start, from before the chain. */
  readonly unchained: number;
  /** The oldest kept record names one that is no longer kept: true after years, or when the start was cut off. */
  readonly cut: boolean;
  readonly faults: readonly ChainFault[];
  /** Of the newest record; empty when there is none. */
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
const MEMORY = 10_000;
const MAX_FAULTS = 1_000;

/** Checks a chain record by record, oldest first, in bounded memory. */
export class ChainVerifier {
  readonly #faults: ChainFault[] = [];
  /** Hash → sequence of the last records. */
  readonly #seen = new Map<string, number>();
  /** Hashes that a record named and nobody had, and where. */
  readonly #missing = new Map<string, number>();
  #records = 0;
  #unchained = 0;
  #cut = false;
  #hasBegun = false;
  #head = '';
  #headSeq = 0;

  /** Takes the next record; the faults that it showed. */
  next(link: ChainLink): readonly ChainFault[] {
    const before = this.#faults.length;
    const hash = auditHash(link.record);
    if (link.hash !== undefined && link.hash !== hash) {
      this.#fault('changed', link.seq, `record ${link.seq} is not what its hash says: it was changed`);
    }
    this.#place(link);
    const wanting = this.#missing.get(hash);
    if (wanting !== undefined) {
      this.#missing.delete(hash);
      this.#fault('moved', link.seq, `record ${link.seq} belongs before record ${wanting}: their order was changed`);
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

  /** Whether it names the record before it, and if not, why. */
  #place({ seq, record: { prev } }: ChainLink): void {
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
      keep(this.#missing, prev, seq);
    }
  }

  #remember(hash: string, seq: number): void {
    keep(this.#seen, hash, seq);
    this.#records += 1;
    this.#head = hash;
    this.#headSeq = seq;
  }

  #fault(kind: ChainFault['kind'], seq: number, message: string, after = this.#headSeq): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ kind, seq, after, message });
  }
}

/** Checks a chain that is at hand. */
export function verifyChain(links: Iterable<ChainLink>): ChainReport {
  const verifier = new ChainVerifier();
  for (const link of links) verifier.next(link);
  return verifier.report();
}

function keep(map: Map<string, number>, key: string, seq: number): void {
  map.set(key, seq);
  if (map.size > MEMORY) for (const oldest of map.keys()) return void map.delete(oldest);
}
