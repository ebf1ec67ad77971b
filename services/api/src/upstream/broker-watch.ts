import type { Bus } from '@muster/bus';
import type { Clock, Timer } from '@muster/runtime';

const CHECK_MS = 1_000;
/** The broker answers in milliseconds; a busy machine may need longer. */
const ANSWER_MS = 1_500;

/** Whether the broker answers: asked every second, since a broker that stands still keeps its connections. */
export class BrokerWatch {
  readonly #bus: Pick<Bus, 'connected' | 'flush'>;
  readonly #clock: Clock;
  #answers = true;
  /** Since when it answers, monotonic. */
  #sinceMs: number;
  #asking = false;
  #timer: Timer | undefined;

  constructor({ bus, clock }: { readonly bus: Pick<Bus, 'connected' | 'flush'>; readonly clock: Clock }) {
    this.#bus = bus;
    this.#clock = clock;
    this.#sinceMs = clock.monotonic();
  }

  /** False at the latest 2.5 s after the broker stopped to answer, and at once when the connection is lost. */
  get reachable(): boolean {
    return this.#answers && this.#bus.connected;
  }

  /** For how long it has answered without a gap, as this process knows; 0 when it does not. */
  get answersForMs(): number {
    if (!this.reachable) this.#sinceMs = this.#clock.monotonic();
    return this.#clock.monotonic() - this.#sinceMs;
  }

  start(): void {
    this.#timer = this.#clock.setInterval(() => void this.#ask(), CHECK_MS);
  }

  stop(): void {
    this.#clock.clear(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    this.#answers = await this.#bus.flush(ANSWER_MS);
    if (!this.reachable) this.#sinceMs = this.#clock.monotonic();
    this.#asking = false;
  }
}
