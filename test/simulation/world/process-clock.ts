import type { Clock, Timer } from '@muster/runtime';
import type { SimulatedProcess, World } from './world.js';

type Cancellable = Timer & { cancel(): void };

/** The clock of one machine: the world's time, how fast it goes, and how far its wall clock is off. */
export class ProcessClock implements Clock {
  readonly #world: World;
  readonly #process: SimulatedProcess;

  constructor(world: World, process: SimulatedProcess) {
    this.#world = world;
    this.#process = process;
  }

  now(): number {
    return this.#process.wallMs;
  }

  monotonic(): number {
    return this.#process.monotonicMs;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.#world.schedule(this.#process, delayMs / this.#process.pace, run);
  }

  setInterval(run: () => void, everyMs: number): Timer {
    let next: Cancellable;
    const again = (): void => {
      next = this.#world.schedule(this.#process, Math.max(1, everyMs) / this.#process.pace, tick);
    };
    const tick = (): void => {
      again();
      run();
    };
    again();
    return { unref: () => undefined, cancel: () => next.cancel() } as Cancellable;
  }

  clear(timer: Timer | undefined): void {
    (timer as Cancellable | undefined)?.cancel();
  }
}
