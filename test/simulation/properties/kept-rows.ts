import { forEachRow } from '@muster/protocol';
import { readAnswerBlock, readGroupBlock, type ResultEvent } from '@muster/records';

/** How many endpoints have a row, and how often they have it together. */
export interface RowCount {
  endpoints: number;
  copies: number;
}

/** The rows of a result stream up to an event, in either form. A row is known by its bytes, as hexadecimal text. */
export class KeptRows {
  /** Raw form: the rows of each endpoint, one after the other. */
  readonly byEndpoint = new Map<number, string>();
  readonly #groups = new Map<number, RowCount & { readonly row: string; readonly sample: readonly number[] }>();
  /** All groups are of one moment: not between two blocks that belong together. */
  isWhole = true;

  apply(event: ResultEvent): void {
    if (event.t === 'rows') {
      for (const { num, rows } of readAnswerBlock(event.answers))
        this.byEndpoint.set(num, (this.byEndpoint.get(num) ?? '') + hex(rows));
    } else if (event.t === 'groups') {
      for (const { index, row, ...group } of readGroupBlock(event.groups))
        this.#groups.set(index, { ...group, row: hex(row) });
      this.isWhole = event.more !== true;
    }
  }

  get groups() {
    return [...this.#groups.values()];
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What these answers are together, counted from what endpoints sent. */
export function countedRows(answers: readonly Uint8Array[], columns: number): Map<string, RowCount> {
  const counted = new Map<string, RowCount>();
  for (const answer of answers) {
    const seen = new Set<string>();
    forEachRow(answer, columns, (start, end) => {
      const row = hex(answer.subarray(start, end));
      const count = counted.get(row) ?? { endpoints: 0, copies: 0 };
      counted.set(row, count);
      count.copies += 1;
      if (!seen.has(row)) count.endpoints += 1;
      seen.add(row);
    });
  }
  return counted;
}
