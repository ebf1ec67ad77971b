import { decodeBusMessageInPlace, type KeyframesSent, type SampleBatch, type SessionsEnded } from '@muster/messages';
import type { Counter, Logger, Metrics } from '@muster/runtime';
import type { FrameResult, SampleProcessor } from './sample-processor.js';
import type { ValueFault } from './vitals.js';

export interface SampleHandlerOptions {
  readonly processor: Pick<SampleProcessor, 'process' | 'ended'>;
  /** A gateway has sent all keyframes of this partition. */
  readonly onSent: (partition: number, message: KeyframesSent) => void;
  readonly logger: Logger;
  readonly metrics: SampleMetrics;
}

/** Takes the batches of gateways. */
export class SampleHandler {
  readonly #options: SampleHandlerOptions;

  constructor(options: SampleHandlerOptions) {
    this.#options = options;
  }

  /** Never throws: what cannot be read is counted. */
  onMessage(partition: number, data: Uint8Array): void {
    const { metrics } = this.#options;
    // The processor keeps copies of what it keeps.
    const message = decodeBusMessageInPlace<SampleBatch | SessionsEnded | KeyframesSent>(
      data,
      ...(['samples', 'samples_ended', 'keyframes_sent'] as const),
    );
    if (message?.t === 'keyframes_sent' && Array.isArray(message.asks)) return this.#options.onSent(partition, message);
    if (message === undefined || message.t === 'keyframes_sent' || !Array.isArray(message.items)) {
      metrics.frames.inc({ result: 'malformed' });
      return;
    }
    metrics.batches.inc();
    const items: readonly unknown[] = message.items;
    if (message.t === 'samples_ended') {
      for (const item of items as SessionsEnded['items']) this.#options.processor.ended(item);
      return;
    }
    const counts = new Map<FrameResult | 'failed', number>();
    for (const item of items as SampleBatch['items']) {
      const result = this.#process(item, partition);
      counts.set(result, (counts.get(result) ?? 0) + 1);
    }
    for (const [result, count] of counts) metrics.frames.inc({ result }, count);
  }

  #process(item: SampleBatch['items'][number], partition: number): FrameResult | 'failed' {
    try {
      return this.#options.processor.process(item, partition);
    } catch (error) {
      // A bug: one frame must not cost the rest of its batch.
      this.#options.logger.error('a frame could not be handled', { err: error, partition });
      return 'failed';
    }
  }
}

const RESULTS: readonly FrameResult[] = [
  ...(['keyframe', 'delta', 'processes', 'repeated', 'stale_session', 'no_keyframe', 'malformed'] as const),
  ...(['unknown_endpoint', 'wrong_partition', 'too_many_endpoints', 'no_room'] as const),
];
const FAULTS: readonly ValueFault[] = ['out_of_range', 'counter_back', 'clock_jump'];

export interface SampleMetrics {
  readonly batches: Counter;
  readonly frames: Counter<'result'>;
  readonly values: Counter<'reason'>;
}

export function sampleMetrics(metrics: Metrics): SampleMetrics {
  return {
    batches: metrics.counter({
      name: 'muster_telemetry_batches_total',
      help: 'Messages of gateways with samples.',
    }),
    frames: metrics.counter({
      name: 'muster_telemetry_frames_total',
      help: 'Frames of endpoints, by what became of them; all results but keyframe, delta and processes mean that the frame was dropped.',
      labels: ['result'],
      initial: RESULTS.map((result) => ({ result })),
    }),
    values: metrics.counter({
      name: 'muster_telemetry_values_dropped_total',
      help: 'Values of samples that were left out, by reason.',
      labels: ['reason'],
      initial: FAULTS.map((reason) => ({ reason })),
    }),
  };
}
