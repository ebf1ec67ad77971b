import { encodeCbor, RowCborWriter, RowJsonWriter, uniqueNames } from '@muster/protocol';
import { readAnswerBlock, type QueryRecord } from '@muster/records';
import { endpointName, type EndpointByNum } from './result-json.js';
import type { IndexedGroup, RawRow } from './result-rows.js';
import { rowKeys, type RowView } from './row-objects.js';

/** About as much of a download is in memory at a time. */
const PIECE_BYTES = 16 * 1024;

export interface EncodedView extends RowView {
  readonly byNum: EndpointByNum;
}

/** The rows of an answer block as lines of NDJSON, in pieces of whole lines. Their values are written from the endpoint's bytes. */
export function* jsonRowLines(block: Uint8Array, { byNum, shape, columns }: EncodedView): Generator<Uint8Array> {
  const writer = new RowJsonWriter();
  const keys = shape === 'arrays' ? undefined : rowKeys(columns);
  for (const { num, rows } of readAnswerBlock(block)) {
    const name = `${JSON.stringify(endpointName(num, byNum)).slice(0, -1)},"${shape === 'arrays' ? 'values' : 'row'}":`;
    for (let at = 0; at < rows.length;) {
      writer.text(name);
      at = writer.row(rows, at, keys);
      writer.text('}\n');
      if (writer.length >= PIECE_BYTES) yield writer.take();
    }
  }
  if (writer.length > 0) yield writer.take();
}

/**
 * Rows and groups in CBOR: the members that they have in JSON, with the values as the endpoint sent them (integers of
 * 64 bits, blobs as byte strings).
 */
export class CborRows {
  readonly #view: EncodedView;
  readonly #keys: readonly Uint8Array[] | undefined;
  readonly #member: Uint8Array;
  readonly #writer = new RowCborWriter();
  /** Of the last row: the rows of an endpoint follow each other. */
  #endpoint: { readonly num: number; readonly members: Uint8Array } | undefined;

  constructor(view: EncodedView) {
    this.#view = view;
    const isArrays = view.shape === 'arrays';
    this.#keys = isArrays ? undefined : uniqueNames(view.columns).map((name) => encodeCbor(name));
    this.#member = encodeCbor(isArrays ? 'values' : 'row');
  }

  /** What stands first in a sequence. */
  columns({ columns, mode, state }: QueryRecord): Uint8Array {
    this.#writer.item({ columns, mode, state });
    return this.#writer.take();
  }

  /** The rows of an answer block, in pieces of whole items. */
  *block(block: Uint8Array): Generator<Uint8Array> {
    for (const { num, rows } of readAnswerBlock(block)) {
      for (let at = 0; at < rows.length;) {
        at = this.#raw(num, rows, at);
        if (this.#writer.length >= PIECE_BYTES) yield this.#writer.take();
      }
    }
    if (this.#writer.length > 0) yield this.#writer.take();
  }

  group(group: IndexedGroup): Uint8Array {
    this.#group(group);
    return this.#writer.take();
  }

  /** A page as one item, with the members of a page in JSON. */
  page(
    { columns, mode, state }: QueryRecord,
    items: readonly (RawRow | IndexedGroup)[],
    nextCursor: string | undefined,
  ): Uint8Array {
    const writer = this.#writer;
    const members = Object.entries({ state, mode, columns, ...(nextCursor === undefined ? {} : { nextCursor }) });
    writer.map(members.length + 1);
    this.#members(members);
    writer.item('items');
    writer.array(items.length);
    for (const item of items) {
      if ('num' in item) this.#raw(item.num, item.row, 0);
      else this.#group(item);
    }
    return writer.take();
  }

  #raw(num: number, rows: Uint8Array, at: number): number {
    if (this.#endpoint?.num !== num) {
      // Without the head of their map, one byte: one more member follows.
      this.#endpoint = { num, members: encodeCbor(endpointName(num, this.#view.byNum)).subarray(1) };
    }
    this.#writer.map(4);
    this.#writer.encoded(this.#endpoint.members);
    return this.#row(rows, at);
  }

  #group({ index, endpoints, copies, sample, row }: IndexedGroup): void {
    const names = sample.map((num) => endpointName(num, this.#view.byNum));
    this.#writer.map(5);
    this.#members(Object.entries({ index, endpoints, copies, sample: names }));
    this.#row(row, 0);
  }

  #members(members: readonly (readonly [name: string, value: unknown])[]): void {
    for (const [name, value] of members) {
      this.#writer.item(name);
      this.#writer.item(value);
    }
  }

  #row(rows: Uint8Array, at: number): number {
    this.#writer.encoded(this.#member);
    return this.#writer.row(rows, at, this.#keys);
  }
}
