import type { CommandServiceHeartbeat } from '@muster/messages';
import type { Clock } from '@muster/runtime';
import type { JournalWriter } from './journal-writer.js';

/**
 * For how long outcomes can be kept, at this and at the other live instances: any of them may be told an outcome that
 * another one waits for. Time in which one of them could not keep what it was told does not count against an endpoint.
 */
export class KeepTimes {
  readonly #writer: Pick<JournalWriter, 'keepsForMs'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #othersSinceMs = Number.NEGATIVE_INFINITY;

  constructor(writer: Pick<JournalWriter, 'keepsForMs'>, clock: Pick<Clock, 'monotonic'>) {
    this.#writer = writer;
    this.#clock = clock;
  }

  get forMs(): number {
    return Math.min(this.#writer.keepsForMs, this.#clock.monotonic() - this.#othersSinceMs);
  }

  /** For the own heartbeat: a length of time, since clocks differ. */
  own(): Pick<CommandServiceHeartbeat, 'keepsForMs'> {
    const { keepsForMs } = this.#writer;
    return Number.isFinite(keepsForMs) ? { keepsForMs: Math.round(keepsForMs) } : {};
  }

  heard({ keepsForMs }: Pick<CommandServiceHeartbeat, 'keepsForMs'>): void {
    if (keepsForMs === undefined) return;
    this.#othersSinceMs = Math.max(this.#othersSinceMs, this.#clock.monotonic() - keepsForMs);
  }
}
