import type { KeyframesWanted } from '@muster/messages';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { IntervalAssigner } from './interval-assigner.js';
import type { SampleBatcher } from './sample-batcher.js';
import type { SampledSession } from './sampled-session.js';

export interface KeyframeResenderOptions extends Pick<CapabilityContext, 'clock'> {
  readonly batcher: Pick<SampleBatcher, 'add' | 'answered'>;
  readonly assigner: Pick<IntervalAssigner, 'tell'>;
}

const EVERY_MS = 20;
/** Sessions in one turn of the event loop. */
const BATCH = 500;

/**
 * Sends keyframes again that telemetry services lack, with the last delta after each. A service that takes over half of the fleet asks for
 * thousands at once, and others may ask for the same: each session is sent once, some in each turn.
 */
export class KeyframeResender {
  readonly #options: KeyframeResenderOptions;
  readonly #scheduler: BatchScheduler;
  readonly #toSend = new Set<SampledSession>();
  /** Of these: the ones whose agent is to send a keyframe when none is kept. */
  readonly #named = new Set<SampledSession>();
  /** Answered when all of the above is sent. */
  #asks: { readonly ask: string; readonly partitions: readonly number[] }[] = [];

  constructor(options: KeyframeResenderOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#run() });
  }

  stop(): void {
    this.#toSend.clear();
    this.#named.clear();
    this.#asks = [];
    this.#scheduler.cancel();
  }

  wanted({ partitions = [], agents = [], ask }: KeyframesWanted, sessions: Iterable<SampledSession>): void {
    const [inPartitions, named] = [new Set(partitions), new Set(agents)];
    for (const sampled of sessions) {
      const isNamed = named.has(sampled.session.agentId);
      if (isNamed) this.#named.add(sampled);
      if (isNamed || (inPartitions.has(sampled.partition) && sampled.keyframe !== undefined)) this.#toSend.add(sampled);
    }
    if (ask !== undefined) this.#asks.push({ ask, partitions });
    if (this.#toSend.size + this.#asks.length > 0) this.#scheduler.due();
  }

  closed(sampled: SampledSession): void {
    this.#toSend.delete(sampled);
    this.#named.delete(sampled);
  }

  #run(): void {
    const { batcher, assigner } = this.#options;
    let room = BATCH;
    for (const sampled of this.#toSend) {
      if ((room -= 1) < 0) break;
      const { keyframe, delta } = sampled;
      if (keyframe !== undefined) batcher.add(sampled, keyframe);
      // It was sent before the one that is asked for was lost, or there was no memory to keep it.
      else if (this.#named.has(sampled)) {
        sampled.wantsKeyframe = true;
        assigner.tell(sampled);
      }
      if (delta !== undefined) batcher.add(sampled, delta);
      this.closed(sampled);
    }
    if (this.#toSend.size > 0) return this.#scheduler.due();
    for (const { ask, partitions } of this.#asks.splice(0)) {
      for (const partition of partitions) batcher.answered(partition, ask);
    }
  }
}
