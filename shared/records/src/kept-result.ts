import { countRows, EMPTY_LEDGER, OUTCOMES, type Ledger, type Outcome } from '@muster/protocol';
import { forEachAnswer, readGroupBlock } from './blocks.js';
import { NumberBits } from './number-bits.js';
import { decodeNumberSet } from './number-set.js';
import { NumberTable } from './number-table.js';
import type { LedgerChanges, QueryRecord, ResultEvent } from './query-records.js';

/** What is known of an endpoint. */
export type KeptState = 'waiting' | Outcome;

/** The first is of an endpoint that is not known. */
const STATES: readonly (KeptState | undefined)[] = [undefined, 'waiting', ...OUTCOMES];
const codeOf = (state: KeptState): number => STATES.indexOf(state);
const [WAITING, ANSWERED, EMPTY] = [codeOf('waiting'), codeOf('answered'), codeOf('empty')];

/**
 * What the result stream of a query holds: how every endpoint stands, and how many rows there are. Whoever ends the query of a dead
 * coordinator counts with this, so that rows, failures and ledger of the end describe one moment.
 */
export class KeptResult {
  readonly #columns: number;
  /** Places in `STATES`. */
  readonly #states = new NumberTable();
  /** Endpoints that are listed as failures. */
  readonly #listed = new NumberBits();
  #rows = 0;
  /** Distinct rows of groups that do not count yet. */
  #groupsToCome = 0;
  #cut = false;
  #ended: QueryRecord | undefined;
  #hasChanges = false;
  #lastLedger = EMPTY_LEDGER;

  constructor({ columns }: Pick<QueryRecord, 'columns'>) {
    this.#columns = columns.length;
  }

  /** Rows (raw) or groups (group). */
  get rows(): number {
    return this.#rows;
  }

  /** The last answer is incomplete: its end was not written. */
  get cut(): boolean {
    return this.#cut;
  }

  /** The last record, once the end is written. */
  get ended(): QueryRecord | undefined {
    return this.#ended;
  }

  /** The ledger of what was applied. */
  get ledger(): Ledger {
    // An older coordinator did not write whom it targeted.
    if (!this.#hasChanges) return this.#lastLedger;
    const counts = { ...EMPTY_LEDGER, targeted: this.#states.size };
    this.#states.forEach((_num, code) => (counts[STATES[code] ?? 'waiting'] += 1));
    return counts;
  }

  /** The endpoints that were asked and of which nothing else is kept, sorted. */
  get waiting(): number[] {
    const waiting: number[] = [];
    this.#states.forEach((num, code) => code === WAITING && waiting.push(num));
    return waiting.sort((a, b) => a - b);
  }

  /** How every endpoint stands. */
  forEachState(see: (num: number, state: KeptState) => void): void {
    this.#states.forEach((num, code) => see(num, STATES[code] ?? 'waiting'));
  }

  /** The endpoints that are listed as failures although their answer is kept. */
  get answeredFailures(): number[] {
    return decodeNumberSet(this.#listed.encode()).filter((num) => !this.#isFailure(num));
  }

  /** Applies the next event of the stream. Events after the end do not count. */
  apply(event: ResultEvent): void {
    if (this.#ended !== undefined) return;
    switch (event.t) {
      case 'rows':
        this.#applyRows(event.answers);
        this.#cut = event.cut === true;
        break;
      case 'groups':
        for (const { index } of readGroupBlock(event.groups))
          this.#groupsToCome = Math.max(this.#groupsToCome, index + 1);
        if (event.more !== true) this.#rows = Math.max(this.#rows, this.#groupsToCome);
        break;
      case 'failures':
        for (const [num, outcome] of event.failures) {
          this.#states.set(num, codeOf(outcome));
          this.#listed.add(num);
        }
        break;
      case 'recovered':
        for (const num of event.numbers) {
          this.#listed.delete(num);
          if (this.#isFailure(num)) this.#states.set(num, WAITING);
        }
        break;
      case 'progress':
        this.#lastLedger = event.ledger;
        break;
      case 'ended':
        this.#ended = event.record;
        return;
      case 'started':
      case 'reduced':
      case 'warnings':
        return;
    }
    if (event.changes !== undefined) this.#applyChanges(event.changes);
  }

  #applyRows(answers: Uint8Array): void {
    forEachAnswer(answers, (num, start, end) => {
      this.#rows += Math.max(countRows(answers, this.#columns, start, end), 0);
      // The pieces of a large answer have one number; none of them is empty.
      this.#states.set(num, end > start ? ANSWERED : EMPTY);
    });
  }

  #applyChanges({ targeted, empty, answered }: LedgerChanges): void {
    this.#hasChanges = true;
    for (const num of numbers(targeted)) if (this.#states.get(num) === 0) this.#states.set(num, WAITING);
    for (const num of numbers(empty)) this.#states.set(num, EMPTY);
    for (const num of numbers(answered)) this.#states.set(num, ANSWERED);
  }

  #isFailure(num: number): boolean {
    return this.#states.get(num) > EMPTY;
  }
}

const numbers = (set: Uint8Array | undefined): readonly number[] => (set === undefined ? [] : decodeNumberSet(set));
