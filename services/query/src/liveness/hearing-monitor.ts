import type { Bus } from '@muster/bus';
import type { Clock } from '@muster/runtime';

/** Own heartbeats come every second. Without one for so long, this process may have missed what others said, too. */
const GAP_MS = 3_000;

/**
 * Since when this process hears what is said on the bus. It knows from its own heartbeats, which come back to it: they fail to when the
 * broker stands still, the connection is lost, or this process stood still. The silence of others counts only while this process hears.
 */
export class HearingMonitor {
  readonly #clock: Clock;
  #sinceMs = 0;
  #heardMs: number | undefined;
  readonly #unlisten: () => void;
  readonly #listeners: (() => void)[] = [];

  constructor({ bus, clock }: { readonly bus: Pick<Bus, 'onConnectionChange'>; readonly clock: Clock }) {
    this.#clock = clock;
    this.#unlisten = bus.onConnectionChange(() => {
      this.#heardMs = undefined;
    });
  }

  stop(): void {
    this.#unlisten();
  }

  /** The listener is called whenever this process begins to hear. */
  listen(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A heartbeat of this process came back. */
  heard(): void {
    const nowMs = this.#clock.monotonic();
    const begins = !this.#hears(nowMs);
    this.#heardMs = nowMs;
    if (!begins) return;
    this.#sinceMs = nowMs;
    for (const listener of this.#listeners) listener();
  }

  /** For how long it has heard everything, in ms; `undefined` while it does not. */
  get forMs(): number | undefined {
    const nowMs = this.#clock.monotonic();
    return this.#hears(nowMs) ? nowMs - this.#sinceMs : undefined;
  }

  #hears(nowMs: number): boolean {
    return this.#heardMs !== undefined && nowMs - this.#heardMs <= GAP_MS;
  }
}
