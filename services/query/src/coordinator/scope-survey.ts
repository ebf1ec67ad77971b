import type { ResultAggregator } from '../aggregation/result-aggregator.js';
import type { Reason } from '../ledger/endpoint-state.js';
import type { AskedEndpoints, LostEndpoints } from './find-lost.js';

export interface ScopeSurveyDeps {
  readonly countOffline: (isTargeted: (num: number) => boolean) => Promise<number>;
  /** Endpoints in scope, besides the targets, that were live a moment ago at gateways that do not speak. Never throws. */
  readonly findLost: (asked: AskedEndpoints) => Promise<LostEndpoints>;
}

/** Who of a query's scope was not asked: endpoints of gateways that do not speak are lost, the others are offline. */
export class ScopeSurvey {
  /** Endpoints may be at a gateway that does not speak: they are to be looked for. */
  isDue = false;
  /** When the query was sent to the gateways; monotonic. */
  sentMs = 0;
  readonly #deps: ScopeSurveyDeps;
  readonly #aggregator: ResultAggregator;
  #finding: Promise<void> | undefined;
  #offline: { readonly count: Promise<number>; readonly targeted: number } | undefined;

  constructor(deps: ScopeSurveyDeps, aggregator: ResultAggregator) {
    this.#deps = deps;
    this.#aggregator = aggregator;
  }

  get hasCounted(): boolean {
    return this.#offline !== undefined;
  }

  /**
   * Looks for lost endpoints where that is due, and puts them into the ledger; without `why` they are unreachable.
   * Resolves when that is done.
   */
  async findLost(why?: Reason): Promise<void> {
    if (this.isDue) {
      this.isDue = false;
      this.#finding = this.#findAfter(this.#finding, why);
    }
    await this.#finding;
  }

  /** How many endpoints are offline. Counts again when there are more targets than at the last time. */
  countOffline(): Promise<number> {
    const { ledger } = this.#aggregator;
    const { targeted } = ledger;
    if (this.#offline?.targeted !== targeted)
      this.#offline = { count: this.#deps.countOffline((num) => ledger.has(num)), targeted };
    return this.#offline.count;
  }

  async #findAfter(earlier: Promise<void> | undefined, why: Reason | undefined): Promise<void> {
    await earlier;
    const aggregator = this.#aggregator;
    const lost = await this.#deps.findLost({
      sentMs: this.sentMs,
      has: (num) => aggregator.ledger.has(num),
      speaks: (gateway) => aggregator.speaks(gateway),
    });
    aggregator.addLost(lost, why);
  }
}
