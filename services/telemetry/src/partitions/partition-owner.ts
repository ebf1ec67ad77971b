import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import { SUBJECTS } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';

/** Of `LiveInstances`: who owns what, and whether the others think so too. */
export interface Ownership {
  readonly isCurrent: boolean;
  owns(key: string): boolean;
}

export interface PartitionOwnerOptions {
  readonly bus: Pick<Bus, 'subscribe'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instance: string;
  readonly instances: Ownership;
  readonly onSamples: (partition: number, data: Uint8Array) => void;
  readonly onRequest: (message: BusMessage) => void;
  /** Ask for the keyframes of these; gateways say in the end that they have sent them, with this `ask`. */
  readonly onTaken: (partitions: readonly number[], ask: string) => void;
  /** Whether all gateways that are to answer are among these. */
  readonly haveAllAnswered: (gateways: ReadonlySet<GatewayId>, sinceMs: number) => boolean;
  /** Others own these now, or may do so: forget their endpoints. */
  readonly onLost: (partitions: ReadonlySet<number>) => void;
}

const CHECK_MS = 250;
/** Somewhat longer than a heartbeat: who starts, or goes on after it stood still, first hears of the others. */
const SETTLE_MS = 1_500;
/** Keyframes are asked for at once, and again for those that were lost. */
const ASK_AGAIN_MS = [2_000, 8_000];
/** And after these, while a gateway has not answered. */
const ASK_ON_MS = 5_000;

interface Owned {
  readonly sinceMs: number;
  readonly subscriptions: readonly BusSubscription[];
  asked: number;
  dueMs: number;
  readonly answered: Set<GatewayId>;
  /** All gateways have answered. */
  isWhole: boolean;
}

/**
 * Holds the subscriptions of the partitions that this instance owns, and of no others.
 *
 * While the others may take it for gone, it owns nothing: it stood still, or the broker was away. So two instances never count one
 * endpoint for longer than messages take.
 */
export class PartitionOwner {
  readonly #options: PartitionOwnerOptions;
  readonly #owned = new Map<number, Owned>();
  #currentSinceMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;
  /** Answers to what was asked before something was given up are not believed. */
  #round = 0;

  constructor(options: PartitionOwnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.check(), CHECK_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#options.clock.clear(this.#timer);
    this.check();
  }

  get partitions(): readonly number[] {
    return [...this.#owned.keys()].sort((a, b) => a - b);
  }

  /** Those of them whose keyframes may not all have come yet. */
  get filling(): readonly number[] {
    this.#judge();
    return this.partitions.filter((partition) => this.#owned.get(partition)?.isWhole === false);
  }

  /** A gateway has sent all that it has of a partition, as it was asked. */
  answered(partition: number, gateway: GatewayId, asks: readonly string[]): void {
    if (asks.includes(this.#ask)) this.#owned.get(partition)?.answered.add(gateway);
  }

  owns(partition: number): boolean {
    return this.#owned.has(partition);
  }

  /** Takes and gives up what has changed. Cheap; called before anything is told of what this instance knows. */
  check(): void {
    const { clock, instances } = this.#options;
    const nowMs = clock.monotonic();
    if (!instances.isCurrent || this.#isStopped) this.#currentSinceMs = Number.POSITIVE_INFINITY;
    else this.#currentSinceMs = Math.min(this.#currentSinceMs, nowMs);
    const isSettled = nowMs - this.#currentSinceMs >= SETTLE_MS;
    const taken: number[] = [];
    const lost = new Set<number>();
    for (let partition = 0; partition < METRICS_PARTITIONS; partition += 1) {
      const isWanted = isSettled && instances.owns(`p${partition}`);
      if (isWanted === this.#owned.has(partition)) continue;
      if (isWanted) taken.push(partition);
      else lost.add(partition);
    }
    if (lost.size > 0) this.#giveUp(lost);
    for (const partition of taken) this.#take(partition, nowMs);
    this.#judge();
    this.#askDue(nowMs);
    if (taken.length + lost.size === 0) return;
    this.#options.logger.info('partitions', { owned: this.#owned.size, taken: taken.length, lost: lost.size });
  }

  #take(partition: number, nowMs: number): void {
    const { bus, onSamples, onRequest } = this.#options;
    this.#owned.set(partition, {
      sinceMs: nowMs,
      ...{ asked: 0, dueMs: nowMs, answered: new Set<GatewayId>(), isWhole: false },
      subscriptions: [
        bus.subscribe(SUBJECTS.samples(partition), ({ data }) => {
          // It may have waited here while this process stood still.
          if (!this.#options.instances.isCurrent) this.check();
          if (this.#owned.has(partition)) onSamples(partition, data);
        }),
        bus.subscribe(SUBJECTS.latestMetrics(partition), (message) => onRequest(message)),
      ],
    });
  }

  #giveUp(lost: ReadonlySet<number>): void {
    for (const partition of lost) {
      for (const subscription of this.#owned.get(partition)?.subscriptions ?? []) subscription.unsubscribe();
      this.#owned.delete(partition);
    }
    this.#round += 1;
    this.#options.onLost(lost);
  }

  get #ask(): string {
    return `${this.#options.instance}.${this.#round}`;
  }

  #judge(): void {
    for (const owned of this.#owned.values()) {
      owned.isWhole ||= this.#options.haveAllAnswered(owned.answered, owned.sinceMs);
    }
  }

  #askDue(nowMs: number): void {
    const due: number[] = [];
    for (const [partition, owned] of this.#owned) {
      if (nowMs < owned.dueMs || (owned.isWhole && owned.asked > ASK_AGAIN_MS.length)) continue;
      const againMs = ASK_AGAIN_MS[owned.asked];
      owned.dueMs = againMs === undefined ? nowMs + ASK_ON_MS : owned.sinceMs + againMs;
      owned.asked += 1;
      due.push(partition);
    }
    if (due.length > 0) this.#options.onTaken(due, this.#ask);
  }
}
