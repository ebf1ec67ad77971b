import type { StreamStore } from '@muster/bus';
import { decodeRecord, journalPosition, STREAMS, type AuditRecord, type JournalPosition } from '@muster/records';

const FIRST_WINDOW = 256;
const WIDER = 4;

/**
 * Up to which journal entry the chain has records. They are appended in the order of the journal, so the newest one of
 * them tells. Whoever appends one has looked at all records before it: compare-and-set on the chain then makes it
 * exact, also when two processes do it at once.
 */
export class JournalMark {
  readonly #streams: StreamStore;
  readonly #subject: string;
  /** All records of the chain up to this one were looked at. */
  #lookedUpTo = 0;
  #newest: JournalPosition | undefined;

  constructor(streams: StreamStore, subject: string) {
    this.#streams = streams;
    this.#subject = subject;
  }

  /** The newest position in the chain as it is now. @throws StreamError */
  async read(): Promise<JournalPosition | undefined> {
    const last = await this.#streams.last(STREAMS.audit.name, this.#subject);
    if (last !== undefined) await this.#look(last.seq);
    return this.#newest;
  }

  /** The journal was lost and begins anew: the records of the old one say nothing about it. */
  forget(): void {
    this.#newest = undefined;
  }

  /** Whether the chain up to this record has that position. @throws StreamError */
  async isPast({ seq }: JournalPosition, headSeq: number): Promise<boolean> {
    await this.#look(headSeq);
    return this.#newest !== undefined && seq <= this.#newest.seq;
  }

  /** A record was appended right after `headSeq`. */
  appended(headSeq: number, seq: number, position: JournalPosition | undefined): void {
    if (position !== undefined) this.#newest = position;
    if (this.#lookedUpTo === headSeq && (headSeq > 0 || position !== undefined)) this.#lookedUpTo = seq;
  }

  async #look(headSeq: number): Promise<void> {
    if (headSeq <= this.#lookedUpTo) return;
    const found = this.#lookedUpTo > 0 ? await this.#last(this.#lookedUpTo + 1, headSeq) : await this.#search(headSeq);
    this.#newest = found ?? this.#newest;
    this.#lookedUpTo = headSeq;
  }

  /** Backwards in growing windows, because the newest one is usually near the end. */
  async #search(headSeq: number): Promise<JournalPosition | undefined> {
    let to = headSeq;
    for (let window = FIRST_WINDOW; to > 0; window *= WIDER) {
      const from = Math.max(1, to - window + 1);
      const found = await this.#last(from, to);
      if (found !== undefined) return found;
      to = from - 1;
    }
    return undefined;
  }

  async #last(from: number, to: number): Promise<JournalPosition | undefined> {
    let found: JournalPosition | undefined;
    const read = this.#streams.read(STREAMS.audit.name, { subject: this.#subject, fromSeq: from });
    for await (const { seq, data } of read) {
      if (seq > to) break;
      found = journalPosition(decodeRecord<AuditRecord>(data)) ?? found;
      if (seq === to) break;
    }
    return found;
  }
}
