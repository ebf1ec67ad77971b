import type { EventRecord } from '../events/contract/recorded-events.js';

/** Keeps what is recorded, in the place of the log. */
export class KeptRecords {
  readonly all: EventRecord[] = [];
  #rows = 0;

  nextRow(): number {
    return (this.#rows += 1);
  }

  put(record: EventRecord): void {
    this.all.push(record);
  }

  /** The rows of which what was seen is withdrawn. */
  get unseen(): number[] {
    return this.all.filter(({ t }) => t === 'unseen').map(({ n }) => n);
  }
}
