import type { Bus } from '@muster/bus';
import type { Clock, Metrics } from '@muster/runtime';

const PERIOD_MS = 5_000;
const TIMEOUT_MS = 4_000;

/** Asks the broker every five seconds whether it has processed everything, and measures how long the answer takes. */
export class BrokerLatency {
  readonly #bus: Pick<Bus, 'flush'>;
  readonly #clock: Clock;
  readonly #metrics;
  #timer: ReturnType<Clock['setTimeout']> | undefined;
  #stopped = false;

  constructor({
    bus,
    clock,
    metrics,
  }: {
    readonly bus: Pick<Bus, 'flush'>;
    readonly clock: Clock;
    readonly metrics: Metrics;
  }) {
    this.#bus = bus;
    this.#clock = clock;
    this.#metrics = {
      roundTrip: metrics.histogram({
        name: `muster_${metrics.service}_broker_round_trip_seconds`,
        help: 'From a question to NATS to its answer, asked every five seconds; with the wait behind what is sent already.',
        buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      }),
      unanswered: metrics.counter({
        name: `muster_${metrics.service}_broker_unanswered_total`,
        help: 'Of these questions, those without an answer within four seconds.',
      }),
    };
  }

  start(): void {
    void this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
  }

  async #ask(): Promise<void> {
    const startedMs = this.#clock.monotonic();
    const isAnswered = await this.#bus.flush(TIMEOUT_MS);
    if (this.#stopped) return;
    if (isAnswered) this.#metrics.roundTrip.observe((this.#clock.monotonic() - startedMs) / 1_000);
    else this.#metrics.unanswered.inc();
    this.#timer = this.#clock.setTimeout(() => void this.#ask(), PERIOD_MS);
  }
}
