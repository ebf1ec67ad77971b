import type { MissedEvents } from './contract/recorded-events.js';

type Loss = keyof MissedEvents;

interface Entry {
  readonly from: number;
  to: number;
  readonly counts: Record<Loss, number>;
}

/** Counts events that are missing, as long as they would have been kept. Times are microseconds. */
export class RecentLosses {
  readonly #keep: number;
  readonly #step: number;
  readonly #entries: Entry[] = [];

  constructor(keep: number) {
    this.#keep = keep;
    this.#step = keep / 20;
  }

  add(loss: Loss, count: number, now: number): void {
    if (count === 0) return;
    let last = this.#entries.at(-1);
    if (last === undefined || last.from < now - this.#step) {
      last = { from: now, to: now, counts: { overrun: 0, evicted: 0, damaged: 0 } };
      this.#entries.push(last);
    }
    last.counts[loss] += count;
    last.to = now;
    this.#forget(now);
  }

  sum(now: number): MissedEvents {
    this.#forget(now);
    const total = (loss: Loss): number => this.#entries.reduce((sum, { counts }) => sum + counts[loss], 0);
    return { overrun: total('overrun'), evicted: total('evicted'), damaged: total('damaged') };
  }

  #forget(now: number): void {
    while ((this.#entries[0]?.to ?? now) < now - this.#keep) this.#entries.shift();
  }
}
