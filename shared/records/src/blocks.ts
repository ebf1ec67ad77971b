import { ByteReader, ByteWriter } from '@muster/protocol';

class BlockWriter {
  protected readonly writer: ByteWriter = new ByteWriter(4 * 1024);

  get byteLength(): number {
    return this.writer.length;
  }

  bytes(): Uint8Array {
    return this.writer.view();
  }
}

/** One endpoint's whole answer: its number and its rows as a CBOR sequence (empty when it had none). */
export interface Answer {
  readonly num: number;
  readonly rows: Uint8Array;
}

/** Answers one after the other: varint number, varint length, bytes. Passes from gateway to coordinator to viewer without being rebuilt. */
export class AnswerBlockWriter extends BlockWriter {
  add(num: number, rows: Uint8Array): void {
    this.writer.varint(num);
    this.writer.varint(rows.length);
    this.writer.bytes(rows);
  }
}

/** Walks an answer block; the rows are views into it. Throws `RangeError` when it is cut off. */
export function* readAnswerBlock(bytes: Uint8Array): Generator<Answer> {
  const reader = new ByteReader(bytes);
  while (!reader.done) {
    const num = reader.varint();
    yield { num, rows: reader.bytes(reader.varint()) };
  }
}

/**
 * Walks an answer block without an object for each answer: its rows are the bytes from `start` to before `end`. Throws
 * `RangeError` when it is cut off.
 */
export function forEachAnswer(bytes: Uint8Array, see: (num: number, start: number, end: number) => void): void {
  const reader = new ByteReader(bytes);
  while (!reader.done) {
    const num = reader.varint();
    const length = reader.varint();
    const start = reader.skip(length);
    see(num, start, start + length);
  }
}

/** One distinct row: `endpoints` is how many returned it, `copies` counts every occurrence, `sample` holds some of their numbers. */
export interface GroupedRow {
  readonly row: Uint8Array;
  readonly endpoints: number;
  readonly copies: number;
  readonly sample: readonly number[];
}

/** Distinct rows one after the other; `index` is the group's number within its query (0 in messages from a gateway). */
export class GroupBlockWriter extends BlockWriter {
  add(index: number, group: GroupedRow): void {
    this.writer.varint(index);
    this.writer.varint(group.endpoints);
    this.writer.varint(group.copies);
    this.writer.varint(group.sample.length);
    for (const num of group.sample) this.writer.varint(num);
    this.writer.varint(group.row.length);
    this.writer.bytes(group.row);
  }
}

/** Walks a group block; rows are views into it. Throws `RangeError` when it is cut off. */
export function* readGroupBlock(bytes: Uint8Array): Generator<GroupedRow & { readonly index: number }> {
  const reader = new ByteReader(bytes);
  while (!reader.done) {
    const index = reader.varint();
    const endpoints = reader.varint();
    const copies = reader.varint();
    const sample: number[] = [];
    for (let left = reader.varint(); left > 0; left -= 1) sample.push(reader.varint());
    yield { index, endpoints, copies, sample, row: reader.bytes(reader.varint()) };
  }
}
