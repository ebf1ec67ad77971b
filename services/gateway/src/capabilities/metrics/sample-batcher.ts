import type { Timer } from '@muster/runtime';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import { encodeBusMessage, SUBJECTS, type SampleItem, type SessionsEnded } from '@muster/messages';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SampleMetrics } from './sample-metrics.js';
import type { SampledSession, SampleFrame } from './sampled-session.js';

export interface SampleBatcherOptions extends Pick<CapabilityContext, 'bus' | 'clock' | 'identity'> {
  readonly metrics: SampleMetrics;
}

type EndedItem = SessionsEnded['items'][number];

/** What waits for the owner of one partition. */
interface Queue {
  items: SampleItem[];
  bytes: number;
  ended: EndedItem[];
  /** Asks for keyframes that the items answer. */
  asks: string[];
}

const EVERY_MS = 250;
const BATCH_BYTES = 48 * 1024;
/** The size of an item besides its body. */
const OVERHEAD_BYTES = 100;
/** For each partition, while the broker is away; 4 MiB in all. */
const HELD_BYTES = 128 * 1024;
const HELD_ENDED = 1_000;
/** The connection to the broker is back: telemetry services may be back a little later. */
const RETURN_MS = 1_000;

/**
 * Frames on their way to telemetry services, in one batch per partition and flush. While the broker is away the newest
 * of them wait: a delta needs its keyframe only, so what is dropped costs nothing else.
 */
export class SampleBatcher {
  readonly #options: SampleBatcherOptions;
  readonly #scheduler: BatchScheduler;
  readonly #queues: Queue[] = Array.from({ length: METRICS_PARTITIONS }, () => ({
    items: [],
    bytes: 0,
    ended: [],
    asks: [],
  }));
  #returning: Timer | undefined;

  constructor(options: SampleBatcherOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.flush() });
  }

  add({ session, partition, intervalMs }: SampledSession, { type, atMs, ageMs, body }: SampleFrame): void {
    const queue = this.#queues[partition] as Queue;
    const { org, agentId, num, epoch } = session;
    const everyMs = Math.max(intervalMs, session.connection.intervalMs ?? 0);
    const item = [org, agentId, num, epoch, type, atMs, body, everyMs] as const;
    queue.items.push(ageMs > 0 ? [...item, ageMs] : item);
    queue.bytes += body.length + OVERHEAD_BYTES;
    if (!this.#isOpen) this.#dropOldest(queue);
    else if (queue.bytes >= BATCH_BYTES) this.#flush(queue, partition);
    else this.#scheduler.due();
  }

  /** The session is over, and its endpoint has no newer one here. */
  ended({ session, partition }: SampledSession): void {
    const { ended } = this.#queues[partition] as Queue;
    const { org, agentId, num, epoch } = session;
    ended.push([org, agentId, num, epoch]);
    if (ended.length > HELD_ENDED) {
      ended.shift();
      this.#options.metrics.dropped.inc({ reason: 'ended' });
    }
    this.#scheduler.due();
  }

  /** Everything that this ask is about has been added. */
  answered(partition: number, ask: string): void {
    const { asks } = this.#queues[partition] as Queue;
    if (!asks.includes(ask)) asks.push(ask);
    this.#scheduler.due();
  }

  /** The connection to the broker is back. */
  reconnected(): void {
    const { clock } = this.#options;
    clock.clear(this.#returning);
    this.#returning = clock.setTimeout(() => {
      this.#returning = undefined;
      this.flush();
    }, RETURN_MS);
  }

  /** Sends everything that waits, unless the broker is away. */
  flush(): void {
    if (!this.#isOpen) return;
    for (const [partition, queue] of this.#queues.entries()) this.#flush(queue, partition);
  }

  /** Forgets what waits: it came to a gateway that is no longer believed. */
  clear(): void {
    for (const queue of this.#queues) Object.assign(queue, { items: [], bytes: 0, ended: [], asks: [] });
    this.#scheduler.cancel();
  }

  stop(): void {
    this.#options.clock.clear(this.#returning);
    this.#returning = undefined;
    this.flush();
    this.clear();
  }

  get #isOpen(): boolean {
    return this.#options.bus.connected && this.#returning === undefined;
  }

  #flush(queue: Queue, partition: number): void {
    const { identity } = this.#options;
    const { items, ended, asks } = queue;
    if (items.length > 0) {
      queue.items = [];
      queue.bytes = 0;
      for (let from = 0; from < items.length;) {
        let to = from;
        for (let bytes = 0; to < items.length && bytes < BATCH_BYTES; to += 1) bytes += sizeOf(items[to]);
        const batch = items.slice(from, to);
        this.#publish(partition, { t: 'samples', gateway: identity.id, items: batch });
        from = to;
      }
    }
    if (asks.length > 0) {
      queue.asks = [];
      const message = { t: 'keyframes_sent', gateway: identity.id, asks } as const;
      this.#options.bus.publish(SUBJECTS.samples(partition), encodeBusMessage(message));
    }
    if (ended.length === 0) return;
    queue.ended = [];
    this.#publish(partition, { t: 'samples_ended', gateway: identity.id, items: ended });
  }

  #publish(partition: number, message: Parameters<typeof encodeBusMessage>[0] & { items: readonly unknown[] }): void {
    const { bus, metrics } = this.#options;
    const result = bus.publish(SUBJECTS.samples(partition), encodeBusMessage(message));
    metrics.batches.inc({ result });
    if (result === 'dropped') metrics.dropped.inc({ reason: 'batch' }, message.items.length);
  }

  #dropOldest(queue: Queue): void {
    if (queue.bytes <= HELD_BYTES) return;
    queue.asks = [];
    // A quarter at a time, so that the array is not moved for each item.
    let count = 0;
    for (; queue.bytes > (HELD_BYTES * 3) / 4; count += 1) queue.bytes -= sizeOf(queue.items[count]);
    queue.items.splice(0, count);
    this.#options.metrics.dropped.inc({ reason: 'old' }, count);
  }
}

function sizeOf(item: SampleItem | undefined): number {
  return item === undefined ? 0 : item[6].length + OVERHEAD_BYTES;
}
