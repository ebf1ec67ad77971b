import type { Bus } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply } from '@muster/messages';
import type { CoordinatorId, QueryId } from '@muster/protocol';
import type { Clock, Logger, Timer, Metrics } from '@muster/runtime';
import type { StoredQuery } from '../results/query-record-store.js';
import type { InterruptResult } from './interrupt-orphan.js';
import type { CoordinatorHeartbeats } from './coordinator-heartbeats.js';
import type { HearingMonitor } from './hearing-monitor.js';

export interface OrphanReaperOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: LivenessMetrics;
  readonly hearing: Pick<HearingMonitor, 'forMs'>;
  readonly heartbeats: Pick<CoordinatorHeartbeats, 'silenceMs' | 'heard'>;
  /** Queries whose record says that they run. */
  readonly running: () => Iterable<StoredQuery>;
  readonly isOwn: (id: QueryId) => boolean;
  readonly interrupt: (orphan: StoredQuery) => Promise<InterruptResult>;
}

const CHECK_MS = 1_000;
const SILENCE_MS = 5_000;
const PING_TIMEOUT_MS = 1_000;

/**
 * Ends queries whose coordinator is gone: one that was silent for 5 s and does not answer a ping. This covers coordinators that died a
 * moment ago and those that died while no query service ran.
 */
export class OrphanReaper {
  readonly #options: OrphanReaperOptions;
  /** When a running query was first seen here; its coordinator gets {@link SILENCE_MS} from then to be heard. */
  readonly #sinceMs = new Map<QueryId, number>();
  readonly #busy = new Set<CoordinatorId>();
  #timer: Timer | undefined;

  constructor(options: OrphanReaperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#check(), CHECK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** Pings a coordinator. When this process itself does not hear, nothing is known, and the coordinator counts as alive. */
  async isAlive(owner: CoordinatorId): Promise<boolean> {
    const { bus, heartbeats, hearing } = this.#options;
    const ping = encodeBusMessage({ t: 'ping' });
    const result = await bus.request(SUBJECTS.coordinator(owner), ping, { timeoutMs: PING_TIMEOUT_MS });
    if (result.kind === 'disconnected' || hearing.forMs === undefined) return true;
    if (result.kind !== 'reply' || decodeBusMessage<GatewayReply>(result.data, 'ok') === undefined) return false;
    heartbeats.heard(owner);
    return true;
  }

  #check(): void {
    const { running, hearing, clock, coordinatorId, isOwn } = this.#options;
    if (hearing.forMs === undefined) return this.#sinceMs.clear();
    const nowMs = clock.monotonic();
    const orphans = new Map<CoordinatorId, StoredQuery[]>();
    const seen = new Set<QueryId>();
    for (const stored of running()) {
      const { id, owner } = stored.record;
      if (isOwn(id)) continue;
      seen.add(id);
      const sinceMs = this.#sinceMs.get(id) ?? nowMs;
      this.#sinceMs.set(id, sinceMs);
      const silenceMs = owner === coordinatorId ? Number.POSITIVE_INFINITY : this.#options.heartbeats.silenceMs(owner);
      if (Math.min(silenceMs, nowMs - sinceMs) >= SILENCE_MS)
        orphans.set(owner, [...(orphans.get(owner) ?? []), stored]);
    }
    for (const id of this.#sinceMs.keys()) if (!seen.has(id)) this.#sinceMs.delete(id);
    for (const [owner, queries] of orphans) this.#reap(owner, queries);
  }

  #reap(owner: CoordinatorId, queries: readonly StoredQuery[]): void {
    if (this.#busy.has(owner)) return;
    this.#busy.add(owner);
    void this.#interruptAll(owner, queries)
      .catch((error: unknown) =>
        this.#options.logger.error('orphaned queries could not be ended', { coordinator: owner, err: error }),
      )
      .finally(() => this.#busy.delete(owner));
  }

  async #interruptAll(owner: CoordinatorId, queries: readonly StoredQuery[]): Promise<void> {
    const { coordinatorId, logger, interrupt, metrics } = this.#options;
    if (owner !== coordinatorId && (await this.isAlive(owner))) return;
    logger.warn('coordinator is gone', { coordinator: owner, queries: queries.length });
    for (const orphan of queries) {
      const result = await interrupt(orphan);
      metrics.orphans.inc({ result });
      logger.warn('orphaned query ended', { query: orphan.record.id, coordinator: owner, result });
    }
  }
}

export type LivenessMetrics = ReturnType<typeof livenessMetrics>;

export function livenessMetrics(metrics: Metrics) {
  return {
    orphans: metrics.counter({
      name: 'muster_query_orphans_total',
      help: 'Queries found running without a coordinator, by result.',
      labels: ['result'],
    }),
  };
}
