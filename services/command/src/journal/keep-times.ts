import type { CommandServiceHeartbeat } from '@muster/messages';
import type { Clock } from '@muster/runtime';
import type { JournalWriter } from './journal-writer.js';

/**
 * Since when outcomes can be kept, at this and at the other live instances: any of them may be told an outcome that another one waits for. Time in
 * which one of them could not keep what it was told does not count against an endpoint.
 */
export class KeepTimes {
  readonly #writer: Pick<JournalWriter, 'keepsSinceMs'>;
  readonly #clock: Pick<Clock, 'now'>;
  #othersSinceMs = 0;

  constructor(writer: Pick<JournalWriter, 'keepsSinceMs'>, clock: Pick<Clock, 'now'>) {
    this.#writer = writer;
    this.#clock = clock;
  }

  get sinceMs(): number {
    return Math.max(this.#writer.keepsSinceMs, this.#othersSinceMs);
  }

  /** For the own heartbeat: a length of time, since clocks differ. */
  own(): Pick<CommandServiceHeartbeat, 'keepsForMs'> {
    const { keepsSinceMs } = this.#writer;
    return keepsSinceMs === 0 ? {} : { keepsForMs: Math.max(0, this.#clock.now() - keepsSinceMs) };
  }

  heard({ keepsForMs }: Pick<CommandServiceHeartbeat, 'keepsForMs'>): void {
    if (keepsForMs === undefined) return;
    this.#othersSinceMs = Math.max(this.#othersSinceMs, this.#clock.now() - keepsForMs);
  }
}
