import type { WatchRenewal } from '@muster/messages';
import type { AgentId } from '@muster/protocol';
import type { Timer } from '@muster/runtime';
import type { CapabilityContext } from '../../foundation/capability.js';
import { HistoryRequests } from './history-requests.js';
import type { IntervalAssigner } from './interval-assigner.js';
import type { SampleMetrics } from './sample-metrics.js';
import type { SampledSession, SampleFrame } from './sampled-session.js';
import { WatchLeases } from './watch-leases.js';
import { WatchPublisher } from './watch-publisher.js';

export interface WatchesOptions extends Pick<CapabilityContext, 'bus' | 'clock'> {
  readonly metrics: SampleMetrics;
  readonly assigner: Pick<IntervalAssigner, 'tell'>;
  /** The session of an endpoint, if it is here and measures. */
  readonly find: (agentId: AgentId) => SampledSession | undefined;
  /** Endpoints that are watched here at once. */
  readonly maxWatched?: number;
}

const MAX_WATCHED = 1_000;
/** Half of what METRICS asks for, so that one that is late costs nothing. */
const RENEW_MS = 5_000;
/** Between two visits, also when many leases end one after the other. */
const LEAST_MS = 100;

/**
 * Endpoints that somebody watches: asks their agents for a sample a second for as long as a lease lasts, and passes on what comes.
 *
 *     renewal names it, or it arrives while it is named ──▶ watched ──every 5 s──▶ METRICS with watch
 *                                                             └──no list names it any more──▶ METRICS without
 */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #leases = new WatchLeases();
  readonly #publisher: WatchPublisher;
  readonly #histories: HistoryRequests;
  readonly #watched = new Set<SampledSession>();
  #timer: Timer | undefined;

  constructor(options: WatchesOptions) {
    this.#options = options;
    this.#publisher = new WatchPublisher(options);
    this.#histories = new HistoryRequests({ ...options, publisher: this.#publisher });
  }

  /** How many endpoints are watched here. */
  get size(): number {
    return this.#watched.size;
  }

  get histories(): HistoryRequests {
    return this.#histories;
  }

  stop(): void {
    this.#publisher.stop();
    this.clear();
  }

  /** Forgets everything. API processes say again what they watch. */
  clear(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#watched.clear();
    this.#leases.clear();
    this.#publisher.clear();
    this.#histories.clear();
  }

  renewed(renewal: WatchRenewal): void {
    const { clock, metrics, find } = this.#options;
    const { api, agents, begin = [], joined = false } = renewal;
    const secondsOnly = new Set(renewal.secondsOnly);
    const refused = this.#leases.renew(renewal, clock.monotonic());
    if (refused > 0) metrics.refusedWatches.inc({ reason: 'list' }, refused);
    // Those that nobody watches any more make room.
    this.#visit();
    for (const agentId of agents) {
      const sampled = find(agentId);
      if (sampled !== undefined && !sampled.isWatched && this.#leases.has(agentId)) this.#begin(sampled);
    }
    for (const agentId of begin) {
      const sampled = find(agentId);
      if (sampled?.isWatched !== true || !this.#leases.holds(api, agentId)) continue;
      this.#publisher.addCurrent(sampled);
      this.#histories.ask(sampled, api, { part: secondsOnly.has(agentId) ? 'seconds' : 'all', joined });
    }
    this.#visit();
  }

  /** A session is about to be told its interval. */
  arrived(sampled: SampledSession): void {
    if (this.#leases.has(sampled.session.agentId)) this.#take(sampled);
  }

  frame(sampled: SampledSession, frame: SampleFrame): void {
    if (sampled.isWatched) this.#publisher.add(sampled, frame);
  }

  closed(sampled: SampledSession, next: { readonly hasNewer: boolean }): void {
    this.#histories.closed(sampled);
    if (!this.#watched.delete(sampled)) return;
    sampled.isWatched = false;
    this.#publisher.ended(sampled, next);
  }

  #begin(sampled: SampledSession): void {
    if (!this.#take(sampled)) return;
    // Without a keyframe nobody can read what comes next.
    if (sampled.keyframe === undefined) sampled.wantsKeyframe = true;
    this.#options.assigner.tell(sampled);
  }

  #take(sampled: SampledSession): boolean {
    const { clock, metrics, maxWatched = MAX_WATCHED } = this.#options;
    if (this.#watched.size >= maxWatched) {
      metrics.refusedWatches.inc({ reason: 'endpoints' });
      return false;
    }
    sampled.isWatched = true;
    sampled.renewAtMs = clock.monotonic() + RENEW_MS;
    this.#watched.add(sampled);
    return true;
  }

  /** Ends what nobody watches any more, and renews the rest. */
  #visit(): void {
    const { clock, assigner } = this.#options;
    const nowMs = clock.monotonic();
    this.#leases.expire(nowMs);
    let nextMs = this.#leases.endsMs ?? Number.POSITIVE_INFINITY;
    for (const sampled of this.#watched) {
      if (!this.#leases.has(sampled.session.agentId)) {
        this.#watched.delete(sampled);
        sampled.isWatched = false;
        assigner.tell(sampled);
        continue;
      }
      if (sampled.renewAtMs <= nowMs) {
        sampled.renewAtMs = nowMs + RENEW_MS;
        assigner.tell(sampled);
      }
      nextMs = Math.min(nextMs, sampled.renewAtMs);
    }
    this.#histories.expire((api, agentId) => this.#leases.holds(api, agentId));
    clock.clear(this.#timer);
    this.#timer =
      nextMs === Number.POSITIVE_INFINITY
        ? undefined
        : clock.setTimeout(() => this.#visit(), Math.max(LEAST_MS, nextMs - nowMs));
  }
}
