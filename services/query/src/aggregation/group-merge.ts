import { forEachRow, LIMITS } from '@muster/protocol';
import { GroupBlockWriter, readGroupBlock, type GroupedRow } from '@muster/records';

export interface GroupMergeOptions {
  readonly columns: number;
  readonly maxGroups: number;
  readonly maxBytes: number;
}

interface Group {
  readonly index: number;
  endpoints: number;
  copies: number;
  readonly sample: number[];
  dirty: boolean;
}

/** Memory of a group besides its row: the map entry, the object, a sample of ten numbers. */
const GROUP_OVERHEAD_BYTES = 240;

/**
 * Merges equal rows of the whole fleet into groups. The bytes of a row, as latin1 text, are the key and the only copy of the row: V8
 * stores one byte per character, and compares and hashes such text natively.
 */
export class GroupMerge {
  readonly #options: GroupMergeOptions;
  readonly #groups = new Map<string, Group>();
  #dirty: [string, Group][] = [];
  /** How many of them were taken already. */
  #taken = 0;
  #dirtyBytes = 0;
  #bytes = 0;
  #lostRows = 0;

  constructor(options: GroupMergeOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#groups.size;
  }

  /** About how many bytes {@link takeChanged} would return in total. */
  get changedBytes(): number {
    return this.#dirtyBytes;
  }

  get hasChanges(): boolean {
    return this.#taken < this.#dirty.length;
  }

  /** Why some distinct rows are missing; `undefined` while none are. */
  get truncated(): string | undefined {
    if (this.#lostRows === 0) return undefined;
    return `only the first ${this.#groups.size} distinct rows were kept; use a narrower question or a GROUP BY`;
  }

  /** Adds the groups of a gateway. Throws `RangeError` when the block is cut off. */
  addBlock(block: Uint8Array): void {
    for (const { row, endpoints, copies, sample } of readGroupBlock(block)) this.#add(row, endpoints, copies, sample);
  }

  /** Adds one endpoint's whole answer; rows that are equal within it count as one endpoint and several copies. */
  addAnswer(num: number, rows: Uint8Array): void {
    const copies = new Map<string, [row: Uint8Array, copies: number]>();
    forEachRow(rows, this.#options.columns, (start, end) => {
      const row = rows.subarray(start, end);
      const key = latin1(row);
      const known = copies.get(key);
      if (known === undefined) copies.set(key, [row, 1]);
      else known[1] += 1;
    });
    for (const [row, count] of copies.values()) this.#add(row, 1, count, [num]);
  }

  /**
   * A group of a result stream; to be called in the order of their numbers, before anything is added. `dirty`: it must
   * be written again.
   */
  restore({ row, endpoints, copies, sample }: GroupedRow, dirty: boolean): void {
    const key = latin1(row);
    this.#bytes += key.length + GROUP_OVERHEAD_BYTES;
    const group = { index: this.#groups.size, endpoints, copies, sample: [...sample], dirty };
    this.#groups.set(key, group);
    if (!dirty) return;
    this.#dirty.push([key, group]);
    this.#dirtyBytes += key.length;
  }

  /** Removes and returns up to about `maxBytes` of new or changed groups as one block; `undefined` when there are none. */
  takeChanged(maxBytes: number): Uint8Array | undefined {
    if (!this.hasChanges) return undefined;
    const writer = new GroupBlockWriter();
    for (let isFirst = true; ; isFirst = false) {
      const [key, group] = this.#dirty[this.#taken] ?? [];
      if (key === undefined || group === undefined) break;
      if (!isFirst && writer.byteLength + key.length > maxBytes) break;
      this.#taken += 1;
      group.dirty = false;
      this.#dirtyBytes -= key.length;
      writer.add(group.index, {
        row: Buffer.from(key, 'latin1'),
        endpoints: group.endpoints,
        copies: group.copies,
        sample: group.sample,
      });
    }
    if (this.#taken * 2 >= this.#dirty.length) {
      this.#dirty = this.#dirty.slice(this.#taken);
      this.#taken = 0;
    }
    return writer.bytes();
  }

  #add(row: Uint8Array, endpoints: number, copies: number, sample: readonly number[]): void {
    const key = latin1(row);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const cost = key.length + GROUP_OVERHEAD_BYTES;
      if (this.#groups.size >= this.#options.maxGroups || this.#bytes + cost > this.#options.maxBytes) {
        this.#lostRows += 1;
        return;
      }
      this.#bytes += cost;
      group = { index: this.#groups.size, endpoints: 0, copies: 0, sample: [], dirty: false };
      this.#groups.set(key, group);
    }
    group.endpoints += endpoints;
    group.copies += copies;
    for (let i = 0; i < sample.length && group.sample.length < LIMITS.groupSample; i += 1)
      group.sample.push(sample[i] ?? 0);
    if (group.dirty) return;
    group.dirty = true;
    this.#dirty.push([key, group]);
    this.#dirtyBytes += key.length;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
