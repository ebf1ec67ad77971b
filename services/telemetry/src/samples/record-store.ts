/** Records are rounded up to this many bytes, so that the place of one serves another of nearly the same length. */
const STEP = 16;
/** Places of one length are cut from pages of about so many bytes. */
const PAGE_BYTES = 32 * 1024;
/** Longer ones have a buffer each: they are rare. */
const LONGEST_SHARED = 4_096;
/** How many places a page can have at most; a handle is the number of a page and of a place in it. */
const PLACES = PAGE_BYTES / STEP;

interface Page {
  readonly bytes: Uint8Array;
  placeBytes: number;
  /** Places that are free, of those that were used before. */
  free: number[];
  used: number;
}

/**
 * One short record of bytes for each row, outside of V8's heap: 100,000 endpoints are some thousand pages and not
 * 100,000 strings, a record that is replaced by one of the same length leaves nothing behind, and the garbage collector
 * has nothing to visit or to move.
 */
export class RecordStore {
  readonly #maxBytes: number;
  readonly #pages: (Page | undefined)[] = [];
  /** Pages with room, by the length of their places in steps. */
  readonly #open = new Map<number, number[]>();
  /** Pages in which nothing is left. They serve any length. */
  readonly #empty: number[] = [];
  /** Numbers of pages that made room for a long record. */
  readonly #released: number[] = [];
  readonly #long = new Map<number, Uint8Array>();
  /** The place of each row, one more than it is; 0 is none. */
  #handles = new Uint32Array(0);
  #lengths = new Uint32Array(0);
  #longBytes = 0;
  #recordBytes = 0;
  #records = 0;

  constructor({ maxBytes = Number.POSITIVE_INFINITY }: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = maxBytes;
  }

  /** What it takes: whole pages, and records that have a buffer each. */
  get bytes(): number {
    return (this.#pages.length - this.#released.length) * PAGE_BYTES + this.#longBytes;
  }

  /** The mean length of the records; 0 where there are none. */
  get meanBytes(): number {
    return this.#records === 0 ? 0 : this.#recordBytes / this.#records;
  }

  /** Whether a record of this length fits, in place of the row's if it is of one. */
  fits(row: number | undefined, length: number): boolean {
    const steps = Math.ceil(length / STEP);
    const known = row === undefined ? 0 : (this.#lengths[row] ?? 0);
    const otherBytes = this.bytes - (known > LONGEST_SHARED ? known : 0);
    if (length > LONGEST_SHARED) return otherBytes - this.#empty.length * PAGE_BYTES + length <= this.#maxBytes;
    if (known > 0 && steps === Math.ceil(known / STEP)) return true;
    if ((this.#open.get(steps)?.length ?? 0) > 0 || this.#empty.length > 0) return true;
    return otherBytes + PAGE_BYTES <= this.#maxBytes;
  }

  /** Whether the row has a record. An empty one is none. */
  has(row: number): boolean {
    return (this.#lengths[row] ?? 0) > 0;
  }

  /** A view of the row's record, which is valid until the row changes. */
  get(row: number): Uint8Array | undefined {
    const length = this.#lengths[row] ?? 0;
    if (length === 0) return undefined;
    const handle = this.#handles[row] as number;
    if (handle === 0) return this.#long.get(row);
    const { bytes, placeBytes } = this.#pages[Math.floor((handle - 1) / PLACES)] as Page;
    const at = ((handle - 1) % PLACES) * placeBytes;
    return bytes.subarray(at, at + length);
  }

  /** Keeps a copy. */
  set(row: number, record: Uint8Array): void {
    if (row >= this.#lengths.length) throw new RangeError(`row ${row} has no room: resize first`);
    const steps = Math.ceil(record.length / STEP);
    if (steps !== Math.ceil((this.#lengths[row] as number) / STEP)) this.#move(row, record.length, steps);
    this.#setLength(row, record.length);
    if (record.length > LONGEST_SHARED) {
      this.#longBytes += record.length - (this.#long.get(row)?.length ?? 0);
      this.#long.set(row, copyOf(record));
      while (this.bytes > this.#maxBytes && this.#empty.length > 0) this.#releasePage(this.#empty.pop() as number);
    } else this.get(row)?.set(record);
  }

  delete(row: number): void {
    if (!this.has(row)) return;
    this.#release(row);
    this.#setLength(row, 0);
  }

  /** Room for so many rows. */
  resize(rows: number): void {
    const [handles, lengths] = [new Uint32Array(rows), new Uint32Array(rows)];
    handles.set(this.#handles);
    lengths.set(this.#lengths);
    [this.#handles, this.#lengths] = [handles, lengths];
  }

  #setLength(row: number, length: number): void {
    const before = this.#lengths[row] as number;
    this.#recordBytes += length - before;
    this.#records += Number(length > 0) - Number(before > 0);
    this.#lengths[row] = length;
  }

  #move(row: number, length: number, steps: number): void {
    this.#release(row);
    if (length > 0 && length <= LONGEST_SHARED) this.#handles[row] = this.#take(steps);
  }

  #release(row: number): void {
    this.#longBytes -= this.#long.get(row)?.length ?? 0;
    this.#long.delete(row);
    const handle = this.#handles[row] as number;
    if (handle === 0) return;
    this.#handles[row] = 0;
    const number = Math.floor((handle - 1) / PLACES);
    const page = this.#pages[number] as Page;
    const open = this.#openOf(page.placeBytes / STEP);
    // It was full, and is not among those with room.
    if (page.free.length === 0 && isUsedUp(page)) open.push(number);
    page.free.push((handle - 1) % PLACES);
    if (page.free.length < page.used) return;
    open.splice(open.lastIndexOf(number), 1);
    this.#empty.push(number);
  }

  #take(steps: number): number {
    const open = this.#openOf(steps);
    if (open.length === 0) open.push(this.#addPage(steps));
    const number = open.at(-1) as number;
    const page = this.#pages[number] as Page;
    const place = page.free.pop() ?? page.used++;
    if (page.free.length === 0 && isUsedUp(page)) open.pop();
    return number * PLACES + place + 1;
  }

  #openOf(steps: number): number[] {
    let open = this.#open.get(steps);
    if (open === undefined) this.#open.set(steps, (open = []));
    return open;
  }

  #addPage(steps: number): number {
    const placeBytes = steps * STEP;
    const number = this.#empty.pop();
    const page = number === undefined ? undefined : this.#pages[number];
    if (number !== undefined && page !== undefined) {
      Object.assign(page, { placeBytes, free: [], used: 0 });
      return number;
    }
    const free = this.#released.pop() ?? this.#pages.length;
    this.#pages[free] = { bytes: new Uint8Array(PAGE_BYTES), placeBytes, free: [], used: 0 };
    return free;
  }

  #releasePage(number: number): void {
    this.#pages[number] = undefined;
    this.#released.push(number);
  }
}

/** `slice` of a Buffer would be a view of the message that it came in. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** What is left at the end of a page is shorter than a place. */
function isUsedUp({ bytes, placeBytes, used }: Page): boolean {
  return (used + 1) * placeBytes > bytes.length;
}
