import type { EventRecord } from './contract/recorded-events.js';

interface Chunk {
  readonly bytes: Uint8Array;
  /** Records that become rows. */
  readonly rows: number;
  /** The time of the newest of them. */
  readonly to: number;
}

/** Longer than any record: its texts are bounded. */
const CHUNK_BYTES = 128 * 1024;

/** The newest records, within a time and a number of bytes. The oldest go first, a chunk at a time. Times are microseconds. */
export class EventLog {
  readonly #keep: number;
  readonly #maxBytes: number;
  readonly #chunkBytes: number;
  readonly #closed: Chunk[] = [];
  #closedBytes = 0;
  readonly #open: Buffer;
  #openBytes = 0;
  #openRows = 0;
  #openTo = 0;

  constructor({ keep, maxBytes }: { readonly keep: number; readonly maxBytes: number }) {
    this.#keep = keep;
    this.#maxBytes = maxBytes;
    this.#open = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    // A chunk that goes must not be all that there is.
    this.#chunkBytes = Math.min(CHUNK_BYTES, maxBytes / 8);
  }

  get bytes(): number {
    return this.#closedBytes + this.#openBytes;
  }

  /** Returns how many rows went before their time was over. */
  append(record: EventRecord, now: number): number {
    const line = `${JSON.stringify(record)}\n`;
    if (this.#openBytes + Buffer.byteLength(line) > this.#chunkBytes) this.#close();
    this.#openBytes += this.#open.write(line, this.#openBytes);
    if (record.t === 'exec' || record.t === 'socket') {
      this.#openRows += 1;
      this.#openTo = Math.max(this.#openTo, record.at);
    }
    return this.#forget(now);
  }

  /** All records; those of the oldest chunk may be older than their time. */
  chunks(now: number): Uint8Array[] {
    this.#forget(now);
    return [...this.#closed.map(({ bytes }) => bytes), Buffer.from(this.#open.subarray(0, this.#openBytes))];
  }

  #close(): void {
    if (this.#openBytes === 0) return;
    const bytes = Buffer.from(this.#open.subarray(0, this.#openBytes));
    this.#closed.push({ bytes, rows: this.#openRows, to: this.#openTo });
    this.#closedBytes += bytes.length;
    this.#openBytes = 0;
    this.#openRows = 0;
  }

  #forget(now: number): number {
    let evicted = 0;
    for (let first = this.#closed[0]; first !== undefined; first = this.#closed[0]) {
      const isOld = first.to < now - this.#keep;
      if (!isOld && this.bytes <= this.#maxBytes) break;
      if (!isOld) evicted += first.rows;
      this.#closed.shift();
      this.#closedBytes -= first.bytes.length;
    }
    return evicted;
  }
}
