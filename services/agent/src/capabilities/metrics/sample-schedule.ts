import { LIMITS, type MetricsBody } from '@muster/protocol';

/** Section 17: not more than one sample a second. */
const SHORTEST_MS = 1_000;
/** How much an interval is longer or shorter than it should be, so that endpoints that got into step get out of it again. */
const JITTER = 0.05;
/** A timer may fire a little early or late: this much before its time, a sample is due. */
const SLACK_MS = 100;

/**
 * When samples are due, as the gateway wants it. Times are monotonic.
 *
 *     off ──METRICS──▶ usual interval ──METRICS with watch──▶ watched interval ──end of the lease, METRICS without watch──▶ usual interval
 */
export class SampleSchedule {
  readonly #random: () => number;
  #everyMs = 0;
  #dueAtMs = Infinity;
  #watchEveryMs = 0;
  #watchedUntilMs = -Infinity;
  #watchDueAtMs = Infinity;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What METRICS says. Repeated, it changes nothing but the end of the lease. */
  set({ everyMs, watch }: MetricsBody, nowMs: number): void {
    const intervalMs = everyMs === 0 ? 0 : Math.max(everyMs, SHORTEST_MS);
    if (intervalMs !== this.#everyMs) {
      this.#everyMs = intervalMs;
      this.#dueAtMs = intervalMs === 0 ? Infinity : nowMs + intervalMs * this.#random();
    }
    if (watch === undefined) {
      this.#watchedUntilMs = -Infinity;
      return;
    }
    if (!this.isWatched(nowMs)) this.#watchDueAtMs = nowMs;
    this.#watchEveryMs = Math.max(watch.everyMs, SHORTEST_MS);
    this.#watchDueAtMs = Math.min(this.#watchDueAtMs, nowMs + this.#watchEveryMs);
    this.#watchedUntilMs = nowMs + Math.min(watch.forMs, LIMITS.metricsWatchMaxMs);
  }

  /** Nothing is due until the next METRICS. */
  clear(): void {
    this.#everyMs = 0;
    this.#dueAtMs = Infinity;
    this.#watchedUntilMs = -Infinity;
  }

  isWatched(nowMs: number): boolean {
    return nowMs < this.#watchedUntilMs;
  }

  /** Whether anything is to be sent. */
  isOn(nowMs: number): boolean {
    return this.#everyMs > 0 || this.isWatched(nowMs);
  }

  isDue(nowMs: number): boolean {
    const at = nowMs + SLACK_MS;
    return at >= this.#dueAtMs || (this.isWatched(nowMs) && at >= this.#watchDueAtMs);
  }

  /** The next sample is due with the next tick, unless nothing is to be sent at all. */
  hasten(nowMs: number): void {
    if (this.isOn(nowMs)) this.#dueAtMs = Math.min(this.#dueAtMs, nowMs + SHORTEST_MS);
  }

  /** A sample was taken, whether it could be sent or not. */
  taken(nowMs: number): void {
    const factor = 1 - JITTER + 2 * JITTER * this.#random();
    this.#dueAtMs = this.#everyMs > 0 ? nowMs + Math.max(SHORTEST_MS, this.#everyMs * factor) : Infinity;
    this.#watchDueAtMs = nowMs + this.#watchEveryMs;
  }
}
