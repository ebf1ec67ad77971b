import { randomBytes } from 'node:crypto';
import type { Bus, BusSubscription } from '@muster/bus';
import { KeyframeReader } from '@muster/host-metrics';
import { decodeBusMessage, SUBJECTS, type WatchEnded, type WatchFrames, type WatchHistory } from '@muster/messages';
import type { AgentId } from '@muster/protocol';
import type { Clock, Metrics } from '@muster/runtime';
import { WatchRenewer } from './watch-renewer.js';
import { WatchedEndpoint, type WatchListener } from './watched-endpoint.js';

export interface WatchHubOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

export interface Watch {
  readonly endpoint: WatchedEndpoint;
  /** Idempotent. */
  end(): void;
}

interface Watched {
  readonly endpoint: WatchedEndpoint;
  readonly subscription: BusSubscription;
}

/** A gateway is asked for a keyframe no more often than this. */
const ASK_EVERY_MS = 2_000;

/** The endpoints that viewers of this process watch: one subscription and one state each, for any number of viewers. */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #api = randomBytes(8).toString('hex');
  readonly #renewer: WatchRenewer;
  readonly #watched = new Map<AgentId, Watched>();
  readonly #keyframes = new KeyframeReader();
  readonly #dropped: (reason: string) => void;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#renewer = new WatchRenewer({ ...options, api: this.#api });
    const dropped = options.metrics.counter({
      name: 'muster_api_watch_frames_dropped_total',
      help: 'Frames of watched endpoints that could not be used, by reason.',
      labels: ['reason'],
    });
    this.#dropped = (reason) => dropped.inc({ reason });
    options.metrics.gauge({
      name: 'muster_api_watched_endpoints',
      help: 'Endpoints whose metrics viewers of this process watch.',
      collect: (gauge) => gauge.set(this.#watched.size),
    });
  }

  start(): void {
    this.#renewer.start();
  }

  stop(): void {
    for (const { subscription } of this.#watched.values()) subscription.unsubscribe();
    this.#watched.clear();
    this.#renewer.stop();
  }

  /** Begins to watch, or joins those who watch the endpoint already. `withMinutes`: its past of minutes too. */
  watch(agentId: AgentId, listener: WatchListener, { withMinutes }: { readonly withMinutes: boolean }): Watch {
    const known = this.#watched.get(agentId);
    const { endpoint } = known ?? this.#begin(agentId);
    const asksMinutes = withMinutes && !endpoint.hasMinutes;
    if (asksMinutes) endpoint.askMinutes();
    if (known === undefined || asksMinutes) this.#renewer.begin(agentId, { withMinutes });
    endpoint.add(listener);
    return { endpoint, end: () => this.#end(agentId, endpoint, listener) };
  }

  #begin(agentId: AgentId): Watched {
    const { bus, clock } = this.#options;
    let askedMs = clock.monotonic();
    const endpoint: WatchedEndpoint = new WatchedEndpoint({
      dropped: this.#dropped,
      keyframes: this.#keyframes,
      wantKeyframe: () => {
        if (clock.monotonic() - askedMs < ASK_EVERY_MS) return;
        askedMs = clock.monotonic();
        this.#renewer.begin(agentId, { withMinutes: endpoint.hasMinutes });
      },
      // Gateways ask an endpoint for the same only now and then.
      wantHistory: () => this.#renewer.begin(agentId, { withMinutes: endpoint.hasMinutes }),
    });
    const subscription = bus.subscribe(SUBJECTS.watch(agentId), ({ data }) => this.#heard(endpoint, data));
    const watched = { endpoint, subscription };
    this.#watched.set(agentId, watched);
    return watched;
  }

  #heard(endpoint: WatchedEndpoint, data: Uint8Array): void {
    const message = decodeBusMessage<WatchFrames | WatchHistory | WatchEnded>(
      data,
      'watch_frames',
      'watch_history',
      'watch_ended',
    );
    if (message === undefined) return this.#dropped('unknown_message');
    if (message.t === 'watch_frames') endpoint.frames(message);
    else if (message.t === 'watch_ended') endpoint.ended(message);
    else if (message.api === this.#api) endpoint.historyPieces(message);
  }

  #end(agentId: AgentId, endpoint: WatchedEndpoint, listener: WatchListener): void {
    endpoint.remove(listener);
    const watched = this.#watched.get(agentId);
    if (endpoint.isWatched || watched?.endpoint !== endpoint) return;
    watched.subscription.unsubscribe();
    this.#watched.delete(agentId);
    this.#renewer.end(agentId);
  }
}
