import type { Clock } from '@muster/runtime/program';
import type { HostReader, TopProcesses } from '../../metrics/contract/host-reader.js';

export interface DetailedRefreshOptions {
  readonly reader: HostReader;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Processor time of this process. */
  readonly cpuMs: () => number;
  readonly onTop: (top: TopProcesses) => void;
}

const WATCHED_MS = 5_000;
const USUAL_MS = 60_000;
/**
 * Where there are thousands of processes it is done less often: at most so much of one processor, and it is never older
 * than the longest interval.
 */
const WATCHED_SHARE = 0.005;
const USUAL_SHARE = 0.0005;
const LONGEST_MS = 600_000;

/** When the detailed set is read: at once when somebody begins to look, then every five seconds, and once a minute otherwise. */
export class DetailedRefresh {
  readonly #options: DetailedRefreshOptions;
  #isRunning = false;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #costMs = 0;
  /** Readings in a row for somebody who looks. */
  #watchedReadings = 0;

  constructor(options: DetailedRefreshOptions) {
    this.#options = options;
  }

  /** Called every second. */
  tick(isWatched: boolean): void {
    const nowMs = this.#options.clock.monotonic();
    if (!isWatched) this.#watchedReadings = 0;
    if (this.#isRunning || nowMs - this.#startedAtMs < this.#intervalMs(isWatched)) return;
    this.#startedAtMs = nowMs;
    this.#isRunning = true;
    void this.#run(isWatched);
  }

  /** Half a second less, as ticks are not exact. */
  #intervalMs(isWatched: boolean): number {
    // The second one tells the processor time of processes, so it comes soon.
    const usualMs = isWatched ? (this.#watchedReadings < 2 ? 1_000 : WATCHED_MS) : USUAL_MS;
    const affordableMs = this.#costMs / (isWatched ? WATCHED_SHARE : USUAL_SHARE);
    return Math.min(LONGEST_MS, Math.max(usualMs, affordableMs)) - 500;
  }

  async #run(isWatched: boolean): Promise<void> {
    const { cpuMs, onTop, reader } = this.#options;
    const fromMs = cpuMs();
    try {
      const top = await reader.refresh({ topProcesses: isWatched });
      if (isWatched) this.#watchedReadings += 1;
      if (top !== undefined) onTop(top);
    } finally {
      this.#isRunning = false;
      this.#costMs = cpuMs() - fromMs;
    }
  }
}
