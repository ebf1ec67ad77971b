import type { Bus } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply } from '@muster/messages';
import type { CoordinatorId, QueryId } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { KeptQuery } from '../records/query-records.js';
import type { BeatMetrics } from './beat-metrics.js';
import type { InterruptResult } from './interrupt-orphan.js';
import type { CoordinatorHeartbeats } from './coordinator-heartbeats.js';

export interface OrphanWatchOptions {
  readonly bus: Bus;
  readonly ownerId: CoordinatorId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: BeatMetrics;
  readonly beats: Pick<CoordinatorHeartbeats, 'silenceMs' | 'heard'>;
  /** Records that say that their query runs. */
  readonly running: () => Iterable<KeptQuery>;
  /** Whether this process runs the query. */
  readonly isOurs: (id: QueryId) => boolean;
  readonly interrupt: (orphan: KeptQuery) => Promise<InterruptResult>;
}

const LOOK_MS = 1_000;
const SILENCE_MS = 5_000;
const PING_TIMEOUT_MS = 1_000;

/**
 * Looks after queries whose record says that they run: an owner that has been silent for 5 s and answers no question is gone, and its
 * queries are ended. That covers owners that died a moment ago and those that died while no query service ran.
 */
export class OrphanWatch {
  readonly #options: OrphanWatchOptions;
  /** Since when a record has been seen running without its owner being heard of. */
  readonly #sinceMs = new Map<QueryId, number>();
  readonly #busy = new Set<CoordinatorId>();
  #timer: Timer | undefined;

  constructor(options: OrphanWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** Whether an owner answers. A lost connection of ours says nothing about it, so it counts as an answer. */
  async answers(owner: CoordinatorId): Promise<boolean> {
    const { bus, beats } = this.#options;
    const ping = encodeBusMessage({ t: 'ping' });
    const result = await bus.request(SUBJECTS.coordinator(owner), ping, { timeoutMs: PING_TIMEOUT_MS });
    if (result.kind === 'disconnected') return true;
    if (result.kind !== 'reply' || decodeBusMessage<GatewayReply>(result.data, 'ok') === undefined) return false;
    beats.heard(owner);
    return true;
  }

  #look(): void {
    const { running, bus, clock, ownerId, isOurs } = this.#options;
    if (!bus.connected) return this.#sinceMs.clear();
    const nowMs = clock.monotonic();
    const orphans = new Map<CoordinatorId, KeptQuery[]>();
    const seen = new Set<QueryId>();
    for (const kept of running()) {
      const { id, owner } = kept.record;
      if (isOurs(id)) continue;
      seen.add(id);
      const sinceMs = this.#sinceMs.get(id) ?? nowMs;
      this.#sinceMs.set(id, sinceMs);
      const silenceMs = owner === ownerId ? Number.POSITIVE_INFINITY : this.#options.beats.silenceMs(owner);
      if (Math.min(silenceMs, nowMs - sinceMs) >= SILENCE_MS) orphans.set(owner, [...(orphans.get(owner) ?? []), kept]);
    }
    for (const id of this.#sinceMs.keys()) if (!seen.has(id)) this.#sinceMs.delete(id);
    for (const [owner, queries] of orphans) this.#lookAfter(owner, queries);
  }

  #lookAfter(owner: CoordinatorId, queries: readonly KeptQuery[]): void {
    if (this.#busy.has(owner)) return;
    this.#busy.add(owner);
    void this.#interruptAll(owner, queries)
      .catch((error: unknown) => this.#options.logger.error('orphans could not be ended', { owner, err: error }))
      .finally(() => this.#busy.delete(owner));
  }

  async #interruptAll(owner: CoordinatorId, queries: readonly KeptQuery[]): Promise<void> {
    const { ownerId, logger, interrupt, metrics } = this.#options;
    if (owner !== ownerId && (await this.answers(owner))) return;
    logger.warn('owner is gone', { owner, queries: queries.length });
    for (const orphan of queries) {
      const result = await interrupt(orphan);
      metrics.orphans.inc({ result });
      logger.warn('orphaned query looked after', { query: orphan.record.id, owner, result });
    }
  }
}
