import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.js';
import type { Counter } from './metrics.js';
import type { TracerOptions } from './tracer.js';

interface BoundedSpanProcessorOptions extends TracerOptions {
  readonly exporter: SpanExporter;
}

type Done = Parameters<SpanExporter['export']>[1];

/** Spans that may wait to be sent; some 2 KB each. */
const QUEUE = 2_048;
const BATCH = 512;
/** Spans are sent so soon after they ended. */
const DELAY_MS = 1_000;
/** After so long the next batch is sent; the exporter has a shorter limit of its own (`OTEL_EXPORTER_OTLP_TIMEOUT`). */
const EXPORT_MS = 30_000;
/** The next failure is logged so long after the last one. */
const LOG_MS = 60_000;

/** Sends spans in batches, and counts what became of each: a collector that fails or is slow costs spans, never the service. */
export class BoundedSpanProcessor implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  readonly #spans: Counter<'result'>;
  /** Ended, and not handed to the exporter. */
  #waiting = 0;
  #loggedMs = -LOG_MS;

  constructor({ exporter, logger, metrics }: BoundedSpanProcessorOptions) {
    this.#exporter = exporter;
    this.#logger = logger;
    this.#spans = metrics.counter({
      name: `muster_${metrics.service}_trace_spans_total`,
      help: 'Spans of traces, by what became of them: exported, failed (the collector did not take them), dropped (too many waited).',
      labels: ['result'],
      initial: [{ result: 'exported' }, { result: 'failed' }, { result: 'dropped' }],
    });
    this.#batches = new BatchSpanProcessor(
      {
        export: (spans, done) => this.#export(spans, done),
        shutdown: () => exporter.shutdown(),
      },
      {
        maxQueueSize: QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: DELAY_MS,
        exportTimeoutMillis: EXPORT_MS,
      },
    );
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= QUEUE) return this.#spans.inc({ result: 'dropped' });
    this.#waiting += 1;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #export(spans: ReadableSpan[], done: Done): void {
    this.#waiting -= spans.length;
    this.#exporter.export(spans, (result) => {
      const isExported = result.code === 0;
      this.#spans.inc({ result: isExported ? 'exported' : 'failed' }, spans.length);
      if (!isExported) this.#logFailure(result.error);
      // The failure is dealt with.
      done({ code: 0 });
    });
  }

  #logFailure(error: Error | undefined): void {
    const nowMs = performance.now();
    if (nowMs - this.#loggedMs < LOG_MS) return;
    this.#loggedMs = nowMs;
    this.#logger.warn('traces could not be sent to the collector', { reason: error?.message.slice(0, 200) });
  }
}
