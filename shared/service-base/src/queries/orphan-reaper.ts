import type { CoordinatorId, QueryId } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { CoordinatorMonitor } from './coordinator-monitor.js';
import type { InterruptResult } from './interrupt-orphan.js';
import type { StoredQuery } from './stored-query.js';

export interface OrphanReaperOptions {
  /** Whether this process hears what is said on the bus. The silence of others counts only then. */
  readonly hears: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly monitor: Pick<CoordinatorMonitor, 'silenceMs' | 'nowMs' | 'isAlive'>;
  /** Queries whose record says that they run. */
  readonly running: () => Iterable<StoredQuery>;
  /** The coordinator in this process, and which queries it runs. */
  readonly own?: { readonly coordinatorId: CoordinatorId; readonly runs: (id: QueryId) => boolean };
  readonly interrupt: (orphan: StoredQuery) => Promise<InterruptResult>;
  readonly onResult: (result: InterruptResult) => void;
  /** Default 5,000. */
  readonly silenceMs?: number;
}

const CHECK_MS = 200;
const SILENCE_MS = 5_000;
/** A query so long after its deadline does not wait for {@link SILENCE_MS}: that its coordinator does not answer is enough. */
const OVERDUE_MS = 300;
/** A coordinator that was heard a moment ago need not be pinged. */
const HEARD_MS = 600;
/** After an outage of the broker, coordinators are heard again within this time. */
const RECONNECT_MS = 1_500;
const AT_ONCE = 8;
/** This process knows what it runs; the time is for a query that is about to begin. */
const OWN_MS = 500;

/**
 * Ends queries whose coordinator is gone: one that is silent for 5 s, or when the query is overdue for a moment, and does not answer a
 * ping. This covers coordinators that died or hung a moment ago and those that died while nobody looked. Query services and API
 * processes all look; exactly one of them writes the end. So what viewers are told is what is kept, at most 2 s after the deadline.
 */
export class OrphanReaper {
  readonly #options: OrphanReaperOptions;
  /** When a running query was first seen here, since this process hears. */
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

  #check(): void {
    const { running, hears, clock, own } = this.#options;
    if (!hears()) return this.#sinceMs.clear();
    const nowMs = clock.monotonic();
    const orphans = new Map<CoordinatorId, StoredQuery[]>();
    const seen = new Set<QueryId>();
    for (const stored of running()) {
      const { id, owner } = stored.record;
      if (own?.runs(id) === true) continue;
      seen.add(id);
      const sinceMs = this.#sinceMs.get(id) ?? nowMs;
      this.#sinceMs.set(id, sinceMs);
      if (this.#isSuspect(stored, nowMs - sinceMs)) orphans.set(owner, [...(orphans.get(owner) ?? []), stored]);
    }
    for (const id of this.#sinceMs.keys()) if (!seen.has(id)) this.#sinceMs.delete(id);
    for (const [owner, queries] of orphans) this.#reap(owner, queries);
  }

  #isSuspect({ record: { owner, deadlineMs } }: StoredQuery, seenForMs: number): boolean {
    const { own, monitor, silenceMs: patienceMs = SILENCE_MS } = this.#options;
    if (owner === own?.coordinatorId) return seenForMs >= OWN_MS;
    const silenceMs = monitor.silenceMs(owner);
    if (Math.min(silenceMs, seenForMs) >= patienceMs) return true;
    const isOverdue = monitor.nowMs(owner) >= deadlineMs + OVERDUE_MS;
    return isOverdue && seenForMs >= RECONNECT_MS && silenceMs >= HEARD_MS;
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
    const { own, logger, interrupt, onResult, monitor } = this.#options;
    if (owner !== own?.coordinatorId && (await monitor.isAlive(owner))) return;
    logger.warn('coordinator is gone', { coordinator: owner, queries: queries.length });
    const end = async (orphan: StoredQuery): Promise<void> => {
      const result = await interrupt(orphan);
      onResult(result);
      logger.warn('orphaned query ended', { query: orphan.record.id, coordinator: owner, result });
    };
    // A few at a time: each reads what its coordinator has written.
    for (let from = 0; from < queries.length; from += AT_ONCE)
      await Promise.all(queries.slice(from, from + AT_ONCE).map(end));
  }
}
