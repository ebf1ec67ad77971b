import type { StreamStore } from '@muster/bus';
import { KeptResult, readGroupBlock, type AnswerWarning, type GroupedRow, type QueryRecord } from '@muster/records';
import { isBeginning, isStillKept, readResults } from '@muster/service-base';
import type { ResultAggregator } from '../aggregation/result-aggregator.js';

/** What the result stream of a hunt holds when another coordinator goes on with it. */
export class KeptHunt {
  readonly result: KeptResult;
  /** The sequence of the last event; 0 when there is none. */
  lastSeq = 0;
  #isWhole = true;
  #rowBytes = 0;
  readonly #groups = new Map<number, GroupedRow>();
  /** Groups that do not count yet: the event that completes them was not written. */
  readonly #groupsToCome = new Map<number, GroupedRow>();
  readonly #warnings: AnswerWarning[] = [];

  private constructor(record: QueryRecord) {
    this.result = new KeptResult(record);
  }

  /** @throws StreamError when the stream cannot be read. */
  static async read(streams: StreamStore, record: QueryRecord): Promise<KeptHunt> {
    const kept = new KeptHunt(record);
    let firstSeq = 0;
    for await (const { seq, event } of readResults(streams, record)) {
      if (firstSeq === 0) {
        firstSeq = seq;
        kept.#isWhole = isBeginning(event, record);
      }
      kept.lastSeq = seq;
      kept.result.apply(event);
      if (event.t === 'rows') kept.#rowBytes += event.answers.length;
      else if (event.t === 'warnings') kept.#warnings.push(...event.warnings);
      else if (event.t === 'groups') kept.#takeGroups(event.groups, event.more === true);
    }
    // The stream drops its oldest entries also while they are read.
    if (firstSeq > 0 && kept.#isWhole) kept.#isWhole = await isStillKept(streams, record, { seq: firstSeq });
    return kept;
  }

  /** Why what is kept is not all that came; `undefined` when it is. */
  get truncated(): string | undefined {
    const faults = [
      ...(this.#isWhole ? [] : ['the first results of this hunt are not kept any more']),
      ...(this.result.cut ? ['one answer was cut off when a query service stopped'] : []),
    ];
    return faults.length === 0 ? undefined : faults.join('; ');
  }

  /** Puts it into an aggregator, as something that is written already. */
  restoreTo({ ledger, groups, answers, warnings }: ResultAggregator): void {
    this.result.forEachState((num, state) => {
      if (state === 'waiting') ledger.restoreWaiting(num);
      else ledger.restore(num, state);
    });
    answers.restore(this.result.rows, this.#rowBytes);
    warnings.restore(this.#warnings);
    const indexes = new Set([...this.#groups.keys(), ...this.#groupsToCome.keys()]);
    for (const index of [...indexes].sort((a, b) => a - b)) {
      const kept = this.#groups.get(index);
      const toCome = this.#groupsToCome.get(index);
      // Viewers hold what was to come: it is written again as it was, a group that did not count yet with nobody in it.
      if (kept !== undefined) groups.restore(kept, toCome !== undefined);
      else if (toCome !== undefined) groups.restore({ ...toCome, endpoints: 0, copies: 0, sample: [] }, true);
    }
  }

  #takeGroups(block: Uint8Array, more: boolean): void {
    for (const { index, row, ...counts } of readGroupBlock(block)) {
      // A copy, once: a view would keep its whole event in memory.
      const known = this.#groupsToCome.get(index) ?? this.#groups.get(index);
      this.#groupsToCome.set(index, { row: known?.row ?? row.slice(), ...counts });
    }
    if (more) return;
    for (const [index, group] of this.#groupsToCome) this.#groups.set(index, group);
    this.#groupsToCome.clear();
  }
}
