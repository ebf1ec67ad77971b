import { encodeBody, encodeFrame, FRAME, LIMITS } from '@muster/protocol';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import { OFF, type MetricsPolicy } from './metrics-policy.js';
import type { SampledSession } from './sampled-session.js';

export interface IntervalAssignerOptions extends Pick<CapabilityContext, 'clock'> {
  readonly policy: { readonly value: MetricsPolicy };
}

const EVERY_MS = 20;
/** Sessions in one turn of the event loop. */
const BATCH = 500;
const MAX_FRAMES = 100;
const WATCHED_MS = 1_000;
/** For how long an agent goes on at the watched interval by itself. */
const WATCH_MS = 10_000;

/**
 * Tells agents how often to send samples: by policy and labels, and a sample a second while somebody watches. A change
 * of the policy concerns thousands of agents, which are told over time; each of them begins at a random moment of its
 * interval.
 */
export class IntervalAssigner {
  readonly #options: IntervalAssignerOptions;
  readonly #scheduler: BatchScheduler;
  readonly #toReview = new Set<SampledSession>();
  /** METRICS frames by what they say; few are different. */
  readonly #frames = new Map<string, Uint8Array>();

  constructor(options: IntervalAssignerOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#run() });
  }

  stop(): void {
    this.#toReview.clear();
    this.#scheduler.cancel();
  }

  /** The session is ready. An agent that is to send nothing is told nothing. */
  ready(sampled: SampledSession): void {
    sampled.intervalMs = this.#options.policy.value.intervalFor(sampled.session);
    if (sampled.intervalMs !== OFF || sampled.isWatched) this.tell(sampled);
  }

  closed(sampled: SampledSession): void {
    this.#toReview.delete(sampled);
  }

  /** Something has changed that may change its interval. */
  review(sampled: SampledSession): void {
    this.#toReview.add(sampled);
    this.#scheduler.due();
  }

  /** Sends METRICS: its interval, for how long it is watched, and whether a keyframe must come at once. */
  tell({ intervalMs: everyMs, isWatched, wantsKeyframe, session }: SampledSession): void {
    // What an agent that polls is told holds until it comes again.
    const forMs = Math.min(LIMITS.metricsWatchMaxMs, WATCH_MS + (session.connection.intervalMs ?? 0));
    const watch = isWatched ? { watch: { everyMs: WATCHED_MS, forMs } } : {};
    const body = { everyMs, ...watch, ...(wantsKeyframe ? { keyframe: true } : {}) };
    const key = JSON.stringify(body);
    const frame = this.#frames.get(key) ?? encodeFrame(FRAME.metrics, 0, encodeBody('metrics', body));
    if (this.#frames.size >= MAX_FRAMES) this.#frames.clear();
    this.#frames.set(key, frame);
    session.send(frame);
  }

  #run(): void {
    let room = BATCH;
    for (const sampled of this.#toReview) {
      if ((room -= 1) < 0) break;
      this.#toReview.delete(sampled);
      const intervalMs = this.#options.policy.value.intervalFor(sampled.session);
      if (intervalMs === sampled.intervalMs) continue;
      sampled.intervalMs = intervalMs;
      this.tell(sampled);
    }
    if (this.#toReview.size > 0) this.#scheduler.due();
  }
}
