import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

/** Numbers and words of closed sets. The id of a query or a command is allowed; never an agent id, a host name, an address or SQL. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** What it does for others: answers a caller, sends a message, or takes one. Default: work inside one process. */
  readonly kind?: 'server' | 'producer' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** Wall clock; default now. */
  readonly startedAtMs?: number;
}

/** One step of a trace. All methods do nothing after `end`, and on a span that is not recorded. */
export interface Span {
  /** Goes into messages and records, so that what follows becomes part of this span. `undefined` when it is not recorded. */
  readonly traceparent: string | undefined;
  /** For log lines. `undefined` when it is not recorded. */
  readonly traceId: string | undefined;
  set(attributes: SpanAttributes): void;
  /** Something that happened at this moment. */
  event(name: string, attributes?: SpanAttributes): void;
  /** With `error`, the code of what went wrong, the span is marked as failed. */
  end(error?: string): void;
  /** The logger with the trace id in every line; the same logger when the span is not recorded. */
  logger(logger: Logger): Logger;
}

/**
 * Records what one query or command went through, for a collector of OpenTelemetry. There is no ambient context:
 * parents are passed on as texts.
 */
export interface Tracer {
  /**
   * Begins a trace. With a valid `traceparent` of the caller it is a part of the caller's trace. The sampler decides
   * whether it is recorded.
   */
  begin(name: string, traceparent: string | undefined, options?: SpanOptions): Span;
  /** A part of the trace that a message or a record carries. Where none is carried, or it is not recorded, this is not recorded either. */
  part(name: string, traceparent: string | undefined, options?: SpanOptions): Span;
  /** Sends what is left, bounded in time. Never rejects. */
  stop(): Promise<void>;
}

/** What a tracer that records needs. */
export interface TracerOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const ignore = (): void => undefined;

export const NO_SPAN: Span = {
  traceparent: undefined,
  traceId: undefined,
  set: ignore,
  event: ignore,
  end: ignore,
  logger: (logger) => logger,
};

/** The tracer of a program that has no collector: it costs a call. */
export const NO_TRACER: Tracer = { begin: () => NO_SPAN, part: () => NO_SPAN, stop: () => Promise.resolve() };
