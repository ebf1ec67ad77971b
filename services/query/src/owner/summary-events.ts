import type { ResultEvent } from '@muster/records';
import type { Pace } from './pace.js';
import type { Tally } from './tally.js';

export interface SummaryEventsOptions {
  readonly tally: Tally;
  readonly pace: Pace;
  /** About how large one event may be. */
  readonly eventBytes: number;
  readonly elapsedMs: () => number;
}

const RECOVERED_PER_EVENT = 50_000;

/** What the result stream should hear next of a query: first rows, which are kept nowhere else, then summaries as often as they are due. */
export class SummaryEvents {
  readonly #options: SummaryEventsOptions;

  constructor(options: SummaryEventsOptions) {
    this.#options = options;
  }

  /** The next event; `undefined` when none is due. */
  next(): ResultEvent | undefined {
    const { tally, pace, eventBytes, elapsedMs } = this.#options;
    const { ledger, groups, answers } = tally;
    const block = answers.take();
    if (block !== undefined) return { t: 'rows', answers: block };
    if (!pace.due) return undefined;
    const numbers = ledger.failures.takeRecovered(RECOVERED_PER_EVENT);
    if (numbers.length > 0) return { t: 'recovered', numbers };
    const failures = ledger.failures.takeFailures(eventBytes);
    if (failures.length > 0) return { t: 'failures', failures };
    const changed = pace.groupsDue(groups.changedBytes) ? groups.takeChanged(eventBytes) : undefined;
    if (changed !== undefined) return { t: 'groups', groups: changed };
    if (!pace.takeProgress()) return undefined;
    const progress = { ledger: ledger.snapshot(), elapsedMs: elapsedMs(), gateways: tally.gateways };
    const { polling } = ledger;
    return { t: 'progress', ...progress, ...(polling === undefined ? {} : { polling }) };
  }
}
