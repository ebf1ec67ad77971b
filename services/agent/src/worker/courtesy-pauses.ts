import type { Clock, Timer } from '@muster/runtime/program';
import type { MachineLoad } from './machine-load.js';
import type { WorkerProcess } from './worker-process.js';

export interface CourtesyPausesOptions {
  readonly worker: Pick<WorkerProcess, 'pid' | 'pause' | 'resume'>;
  readonly load: MachineLoad;
  readonly clock: Clock;
}

const EVERY_MS = 1_000;
/** Of all processors. The distance keeps it from stopping and going on each second. */
const BUSY = 0.7;
const CALM = 0.5;

/** Stops a worker while others keep the machine busy, or while it is on battery. The time of its statement goes on. */
export class CourtesyPauses {
  readonly #options: CourtesyPausesOptions;
  #timer: Timer | undefined;
  #sinceMs: number | undefined;
  #pausedMs = 0;
  #isStopped = false;

  constructor(options: CourtesyPausesOptions) {
    this.#options = options;
    options.load.othersShare(options.worker.pid);
    this.#arm();
  }

  /** How long the worker stood still. */
  get pausedMs(): number {
    const { clock } = this.#options;
    return this.#pausedMs + (this.#sinceMs === undefined ? 0 : clock.monotonic() - this.#sinceMs);
  }

  get isPaused(): boolean {
    return this.#sinceMs !== undefined;
  }

  /** The worker goes on, for good. */
  stop(): void {
    this.#isStopped = true;
    this.#resume();
    this.#arm();
  }

  /** Until it has stopped, and the worker could be told so. */
  #arm(): void {
    this.#options.clock.clear(this.#timer);
    if (this.#isStopped && !this.isPaused) return;
    this.#timer = this.#options.clock.setTimeout(() => this.#look(), EVERY_MS);
    this.#timer.unref();
  }

  #look(): void {
    const { worker, clock } = this.#options;
    const mustWait = this.#mustWait();
    if (mustWait && !this.isPaused) {
      if (worker.pause()) this.#sinceMs = clock.monotonic();
    } else if (!mustWait) this.#resume();
    this.#arm();
  }

  #mustWait(): boolean {
    const { worker, load } = this.#options;
    if (this.#isStopped) return false;
    const share = load.othersShare(worker.pid) ?? 0;
    return load.onBattery() || share > (this.isPaused ? CALM : BUSY);
  }

  /** On a full disk the worker cannot be told, and stands still until it is. */
  #resume(): void {
    if (!this.isPaused || !this.#options.worker.resume()) return;
    this.#pausedMs = this.pausedMs;
    this.#sinceMs = undefined;
  }
}
