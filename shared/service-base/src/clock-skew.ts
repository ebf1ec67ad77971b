import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type CommandServiceHeartbeat, type GatewayHeartbeat } from '@muster/messages';
import type { Clock, Metrics } from '@muster/runtime';

interface Peer {
  /** Since when `bestMs` is gathered, monotonic. */
  sinceMs: number;
  /** Its clock minus ours, less the time that its heartbeat took: the highest value comes nearest to the truth. */
  bestMs: number;
  /** The same of the window before. */
  formerMs: number;
}

const WINDOW_MS = 15_000;

/**
 * How far the clocks of gateways and command services are from the clock of this process, by their heartbeats. A heartbeat that is late
 * makes its sender's clock look slow, so of each half minute the fastest heartbeat counts.
 */
export class ClockSkew {
  readonly #bus: Pick<Bus, 'subscribe'>;
  readonly #clock: Clock;
  readonly #peers = new Map<string, Peer>();
  #subscriptions: readonly BusSubscription[] = [];

  constructor({
    bus,
    clock,
    metrics,
  }: {
    readonly bus: Pick<Bus, 'subscribe'>;
    readonly clock: Clock;
    readonly metrics: Metrics;
  }) {
    this.#bus = bus;
    this.#clock = clock;
    metrics.gauge({
      name: `muster_${metrics.service}_clock_skew_seconds`,
      help: 'The largest difference between the clock of this process and that of a gateway or command service.',
      collect: (gauge) => gauge.set(this.seconds()),
    });
  }

  start(): void {
    this.#subscriptions = [
      this.#bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
        if (heartbeat !== undefined) this.#heard(heartbeat.gateway, heartbeat.nowMs);
      }),
      this.#bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
        if (heartbeat?.nowMs !== undefined) this.#heard(heartbeat.instance, heartbeat.nowMs);
      }),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** The largest difference to a peer that was heard within the last minute; 0 when there is none. */
  seconds(): number {
    const nowMs = this.#clock.monotonic();
    let largestMs = 0;
    for (const [id, { sinceMs, bestMs, formerMs }] of this.#peers) {
      if (nowMs - sinceMs > 4 * WINDOW_MS) this.#peers.delete(id);
      else largestMs = Math.max(largestMs, Math.abs(Math.max(bestMs, formerMs)));
    }
    return largestMs / 1_000;
  }

  #heard(id: string, itsMs: number): void {
    const aheadMs = itsMs - this.#clock.now();
    const nowMs = this.#clock.monotonic();
    const peer = this.#peers.get(id);
    if (peer === undefined) this.#peers.set(id, { sinceMs: nowMs, bestMs: aheadMs, formerMs: aheadMs });
    else if (nowMs - peer.sinceMs < WINDOW_MS) peer.bestMs = Math.max(peer.bestMs, aheadMs);
    else this.#peers.set(id, { sinceMs: nowMs, bestMs: aheadMs, formerMs: peer.bestMs });
  }
}
