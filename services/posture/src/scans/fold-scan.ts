import { decodeRow, decodeRows, readScanRow, SCAN_COLUMNS, type CheckOutcome, type ScanRow } from '@muster/protocol';
import { readAnswerBlock, readGroupBlock, type ResultEvent } from '@muster/records';

/** Equal outcomes with equal evidence. */
export interface FoldedGroup extends ScanRow {
  readonly endpoints: number;
  /** Numbers of some of them. */
  readonly sample: readonly number[];
  /** All of them; `undefined` where only some are kept. */
  readonly nums?: readonly number[];
}

/** The distinct outcomes that are kept in memory of a raw scan. */
const MAX_GROUPS = 500_000;
const SAMPLE = 10;

/** What the result stream of a scan says: how many endpoints have which outcome of which check. Events come in the order of the stream. */
export class ScanFold {
  /** Group form: by their index; a later one replaces the earlier one. */
  readonly #groups = new Map<number, FoldedGroup>();
  /** Raw form: by row. */
  readonly #rows = new Map<string, { row: ScanRow; nums: number[] }>();
  #isCut = false;

  get isCut(): boolean {
    return this.#isCut;
  }

  apply(event: ResultEvent): void {
    if (event.t === 'groups')
      for (const { index, row, endpoints, sample } of readGroupBlock(event.groups)) {
        const read = readScanRow(decodeRow(row));
        if (read === undefined) continue;
        const isWhole = sample.length === endpoints;
        this.#groups.set(index, { ...read, endpoints, sample, ...(isWhole ? { nums: sample } : {}) });
      }
    else if (event.t === 'rows')
      for (const { num, rows } of readAnswerBlock(event.answers))
        for (const values of decodeRows(rows, SCAN_COLUMNS.length)) this.#add(num, readScanRow(values));
  }

  *groups(): Generator<FoldedGroup> {
    yield* this.#groups.values();
    for (const { row, nums } of this.#rows.values())
      yield { ...row, endpoints: nums.length, sample: nums.slice(0, SAMPLE), nums };
  }

  /** How many endpoints have each outcome, by the index of the check. */
  counts(checks: number): Record<CheckOutcome, number>[] {
    const counts = Array.from({ length: checks }, () => ({
      pass: 0,
      fail: 0,
      error: 0,
      not_applicable: 0,
      over_budget: 0,
    }));
    for (const { check, outcome, endpoints } of this.groups()) {
      const of = counts[check];
      if (of !== undefined) of[outcome] += endpoints;
    }
    return counts;
  }

  #add(num: number, row: ScanRow | undefined): void {
    if (row === undefined) return;
    const key = JSON.stringify([row.check, row.outcome, row.reason, row.evidence]);
    const known = this.#rows.get(key);
    if (known !== undefined) known.nums.push(num);
    else if (this.#rows.size >= MAX_GROUPS) this.#isCut = true;
    else this.#rows.set(key, { row, nums: [num] });
  }
}
