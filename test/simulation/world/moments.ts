/** What can be waited for: who did it for the how many-th time since counting began. */
export interface MomentWatch<By> {
  readonly moment: string;
  readonly nth: number;
  readonly run: (by: By) => void;
}

/**
 * Moments at which a fault tells most: a message is sent, an entry is stored and nobody knows yet. Faults are placed by them, because no
 * one can guess their times.
 */
export class Moments<By> {
  readonly #counts = new Map<string, number>();
  readonly #watches = new Map<string, MomentWatch<By>[]>();
  #isCounting = false;

  /** From now on moments count. */
  begin(): void {
    this.#isCounting = true;
  }

  watch(watch: MomentWatch<By>): void {
    this.#watches.set(watch.moment, [...(this.#watches.get(watch.moment) ?? []), watch]);
  }

  happened(moment: string | undefined, by: By): void {
    if (!this.#isCounting || moment === undefined) return;
    const watches = this.#watches.get(moment);
    if (watches === undefined) return;
    const count = (this.#counts.get(moment) ?? 0) + 1;
    this.#counts.set(moment, count);
    for (const { nth, run } of watches) if (nth === count) run(by);
  }
}
