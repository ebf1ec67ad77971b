import { setMaxListeners } from 'node:events';
import { sleep, type Clock, type Component, type Logger, type Timer } from '@muster/runtime/program';
import { HttpPost } from './delivery/http-post.js';
import { Sender, type Failure, type Protocol } from './delivery/sender.js';
import { Shard, type ShardEvents } from './delivery/shard.js';
import { SampleQueue } from './queue/sample-queue.js';
import type { RemoteWriteMetrics, RemoteWriteState } from './remote-write-metrics.js';
import { LabelPolicy, type LabelPolicyOptions } from './series/label-policy.js';
import { compileDefinitions, type MetricDefinition } from './series/metric-definition.js';
import { SeriesTable, type EndpointSamples } from './series/series-table.js';

/** Everything that an installation may choose; `remoteWriteOptions` makes it from environment variables. */
export interface RemoteWriteOptions {
  readonly url: URL;
  readonly protocol: Protocol;
  readonly labels: LabelPolicyOptions;
  /** Sent with every request: `Authorization`, a tenant. */
  readonly headers: Readonly<Record<string, string>>;
  /** The `Authorization` of each request. */
  readonly authorization?: () => string;
  readonly ca?: string;
  readonly shards: number;
  readonly batchSamples: number;
  readonly batchAgeMs: number;
  /** Samples that may wait, in all shards together. Each costs 24 bytes. */
  readonly pendingSamples: number;
  readonly maxSeries: number;
  readonly maxSeriesPerEndpoint: number;
  readonly maxSampleAgeMs: number;
  readonly staleAfterMs: number;
  readonly timeoutMs: number;
  /** How long a stop may take for what waits. */
  readonly flushMs: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
}

export interface RemoteWriterContext {
  readonly definitions: readonly MetricDefinition[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RemoteWriteMetrics;
}

/**
 * Writes samples of many endpoints to a store that takes Prometheus remote write.
 *
 * At least once, in the sequence of time for each series, from bounded memory: when the store is away, samples wait
 * until the queues are full and then the oldest make room. Everything that is not written is counted with its reason.
 * No call waits.
 */
export class RemoteWriter implements Component {
  readonly #options: RemoteWriteOptions;
  readonly #context: RemoteWriterContext;
  readonly #post: HttpPost;
  readonly #shards: readonly Shard[];
  readonly #series: SeriesTable;
  #sweep: Timer | undefined;
  #stopping: Promise<void> | undefined;
  /** What the log said last about requests. */
  #failing: Failure | undefined;

  /** @throws where the options contradict each other or the definitions; the message says which */
  constructor(options: RemoteWriteOptions, context: RemoteWriterContext) {
    this.#options = options;
    this.#context = context;
    const { clock, logger, metrics } = context;
    const definitions = compileDefinitions(context.definitions);
    const labels = new LabelPolicy(options.labels, definitions.values());
    const { url, headers, shards: connections, timeoutMs, authorization } = options;
    const ca = options.ca === undefined ? {} : { ca: options.ca };
    const login = authorization === undefined ? {} : { authorization };
    this.#post = new HttpPost({
      url,
      headers: { 'User-Agent': 'muster', ...headers },
      connections,
      timeoutMs,
      clock,
      ...ca,
      ...login,
    });
    const onRequest = metrics.request;
    const sender = new Sender({ post: this.#post, protocol: options.protocol, clock, logger, onRequest });
    this.#shards = Array.from({ length: options.shards }, () => this.#createShard(sender));
    this.#series = new SeriesTable({
      ...options,
      definitions,
      labels,
      clock,
      push: (hash, series, timeMs, value) => this.#shards[hash % this.#shards.length]?.push(series, timeMs, value),
      drop: metrics.dropped,
    });
    metrics.observe(() => this.state());
  }

  /** Takes what endpoints measured. What cannot be written is dropped and counted. */
  append(batch: Iterable<EndpointSamples>): void {
    for (const one of batch) {
      if (this.#stopping === undefined) this.#series.append(one);
      else this.#context.metrics.dropped('stopped', one.samples.length);
    }
  }

  /** The endpoint is gone for good: its series end with a stale marker each. */
  end(endpoint: string): void {
    this.#series.end(endpoint);
  }

  /** Another instance writes this endpoint from now on; its series do not end. */
  release(endpoint: string): void {
    this.#series.release(endpoint);
  }

  state(): RemoteWriteState {
    const oldest = this.#shards.flatMap(({ oldestMs }) => oldestMs ?? []);
    const behindMs = oldest.length === 0 ? 0 : this.#context.clock.now() - Math.min(...oldest);
    return {
      pendingSamples: this.#shards.reduce((sum, { pending }) => sum + pending, 0),
      shards: this.#shards.length,
      series: this.#series.size,
      behindSeconds: Math.max(behindMs, 0) / 1_000,
    };
  }

  start(): void {
    for (const shard of this.#shards) shard.start();
    this.#sweep ??= this.#context.clock.setInterval(() => this.#series.sweep(), this.#series.sweepEveryMs);
  }

  /**
   * Sends what waits for at most `flushMs`, or until the signal is aborted, then drops the rest. Series do not end:
   * another instance goes on with them.
   */
  stop(signal: AbortSignal): Promise<void> {
    this.#stopping ??= this.#stop(signal);
    return this.#stopping;
  }

  async #stop(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    clock.clear(this.#sweep);
    const over = new AbortController();
    // Each shard listens.
    setMaxListeners(0, over.signal);
    const done = new AbortController();
    const bound = sleep(clock, this.#options.flushMs, AbortSignal.any([signal, done.signal])).then(() => over.abort());
    await Promise.all(this.#shards.map((shard) => shard.stop(over.signal)));
    done.abort();
    await bound;
    this.#post.close();
  }

  #createShard(sender: Sender): Shard {
    const { shards, pendingSamples } = this.#options;
    const queue = new SampleQueue(Math.max(1, Math.floor(pendingSamples / shards)));
    return new Shard({ ...this.#options, queue, sender, clock: this.#context.clock, events: this.#events() });
  }

  #events(): ShardEvents {
    const { metrics, logger } = this.#context;
    return {
      sent: (samples) => {
        metrics.sent(samples);
        if (this.#failing !== undefined) logger.info('remote write succeeds again');
        this.#failing = undefined;
      },
      dropped: metrics.dropped,
      failed: (failure, detail) => {
        metrics.failed(failure);
        // Once for each change: the counters say how often.
        if (this.#failing !== failure) logger.warn('remote write fails', { reason: failure, detail });
        this.#failing = failure;
      },
    };
  }
}
