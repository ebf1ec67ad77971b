import { encodeBusMessage, SUBJECTS, type WatchEnded, type WatchFrames, type WatchHistory } from '@muster/messages';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SampleMetrics } from './sample-metrics.js';
import type { SampledSession, SampleFrame } from './sampled-session.js';

export interface WatchPublisherOptions extends Pick<CapabilityContext, 'bus' | 'clock'> {
  readonly metrics: SampleMetrics;
}

/** Frames that come together, as a poll brings them, go out together. */
const EVERY_MS = 10;
const MESSAGE_BYTES = 128 * 1024;

interface Pending {
  readonly frames: SampleFrame[];
  bytes: number;
}

/** Sends the frames of watched endpoints to their viewers, each once for all of them. Nothing waits while the broker is away. */
export class WatchPublisher {
  readonly #options: WatchPublisherOptions;
  readonly #scheduler: BatchScheduler;
  readonly #pending = new Map<SampledSession, Pending>();

  constructor(options: WatchPublisherOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#run() });
  }

  stop(): void {
    this.#run();
    this.clear();
  }

  clear(): void {
    this.#pending.clear();
    this.#scheduler.cancel();
  }

  /** What came from a watched endpoint. */
  add(sampled: SampledSession, frame: SampleFrame): void {
    const pending = this.#pending.get(sampled) ?? { frames: [], bytes: 0 };
    this.#pending.set(sampled, pending);
    pending.frames.push(frame);
    pending.bytes += frame.body.length;
    if (pending.bytes >= MESSAGE_BYTES) this.#flush(sampled);
    else this.#scheduler.due();
  }

  /** All that somebody needs who begins to watch: the last keyframe and the last delta, though others have them already. */
  addCurrent(sampled: SampledSession): void {
    if (sampled.keyframe !== undefined) this.add(sampled, sampled.keyframe);
    if (sampled.delta !== undefined) this.add(sampled, sampled.delta);
  }

  /** The session is over; `hasNewer`: its endpoint has another one here, of which viewers hear. */
  ended(sampled: SampledSession, { hasNewer }: { readonly hasNewer: boolean }): void {
    this.#flush(sampled);
    const { agentId, epoch } = sampled.session;
    if (!hasNewer) this.#publish({ t: 'watch_ended', agentId, epoch }, { reason: 'watch', count: 0 });
  }

  history(message: Omit<WatchHistory, 't'>): void {
    const count = 1 + (message.more?.length ?? 0);
    this.#publish({ t: 'watch_history', ...message }, { reason: 'history', count });
  }

  #run(): void {
    for (const sampled of this.#pending.keys()) this.#flush(sampled);
  }

  #flush(sampled: SampledSession): void {
    const pending = this.#pending.get(sampled);
    if (pending === undefined) return;
    this.#pending.delete(sampled);
    const { org, agentId, epoch } = sampled.session;
    const frames = pending.frames.map(({ type, atMs, body }) => [type, atMs, body] as const);
    const count = frames.length;
    if (this.#publish({ t: 'watch_frames', org, agentId, epoch, frames }, { reason: 'watch', count }))
      this.#options.metrics.watchFrames.inc(count);
  }

  #publish(
    message: WatchFrames | WatchHistory | WatchEnded,
    loss: { readonly reason: 'watch' | 'history'; readonly count: number },
  ): boolean {
    const { bus, metrics } = this.#options;
    if (bus.publish(SUBJECTS.watch(message.agentId), encodeBusMessage(message)) === 'sent') return true;
    metrics.dropped.inc({ reason: loss.reason }, loss.count);
    return false;
  }
}
