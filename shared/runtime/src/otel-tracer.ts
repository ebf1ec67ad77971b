import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { randomUUID } from 'node:crypto';
import type { Logger } from './logger.js';
import { BoundedSpanProcessor } from './bounded-span-processor.js';
import { NO_SPAN, type Span, type SpanOptions, type Tracer, type TracerOptions } from './tracer.js';
import { formatTraceparent, parseTraceparent, type TraceContext } from './traceparent.js';

type OtelSpan = ReturnType<ReturnType<BasicTracerProvider['getTracer']>['startSpan']>;

/** What is left is sent for so long when the service stops; a collector that does not answer must not hold it up. */
const FLUSH_MS = 2_000;
const LIMITS = { attributeValueLengthLimit: 256, attributeCountLimit: 32, eventCountLimit: 32 };
const KINDS = { server: SpanKind.SERVER, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER };

/**
 * The tracer over the SDK of OpenTelemetry. The SDK and its exporter read their variables themselves (endpoint,
 * headers, time limits, sampler, resource), from the environment of the process.
 */
export function createOtelTracer({ logger, metrics }: TracerOptions): Tracer {
  diag.setLogger(diagnosticLogger(logger), { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true });
  const own = resourceFromAttributes({
    'service.name': `muster-${metrics.service}`,
    'service.instance.id': randomUUID(),
  });
  const processor = new BoundedSpanProcessor({ exporter: new OTLPTraceExporter(), logger, metrics });
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanLimits: LIMITS,
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('muster');

  const start = (name: string, parent: Context, options: SpanOptions): Span => {
    const { kind, attributes, startedAtMs } = options;
    const span = tracer.startSpan(
      name,
      {
        ...(kind === undefined ? {} : { kind: KINDS[kind] }),
        ...(attributes === undefined ? {} : { attributes }),
        ...(startedAtMs === undefined ? {} : { startTime: startedAtMs }),
      },
      parent,
    );
    return span.isRecording() ? recorded(span) : NO_SPAN;
  };

  return {
    begin: (name, traceparent, options = {}) => {
      const parent = parseTraceparent(traceparent);
      return start(name, parent === undefined ? ROOT_CONTEXT : contextOf(parent), options);
    },
    part: (name, traceparent, options = {}) => {
      const parent = parseTraceparent(traceparent);
      return parent?.sampled === true ? start(name, contextOf(parent), options) : NO_SPAN;
    },
    stop: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, FLUSH_MS);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

function contextOf({ traceId, spanId, sampled }: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true });
}

function recorded(span: OtelSpan): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    traceparent: formatTraceparent({ traceId, spanId, sampled: true }),
    traceId,
    set: (attributes) => {
      if (span.isRecording()) span.setAttributes(attributes);
    },
    event: (name, attributes) => {
      if (span.isRecording()) span.addEvent(name, attributes);
    },
    end: (error) => {
      if (!span.isRecording()) return;
      if (error !== undefined) {
        span.setAttribute('error.type', error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      }
      span.end();
    },
    logger: (logger: Logger) => logger.child({ traceId }),
  };
}

/** What the SDK complains of, such as a sampler that does not exist. Failed exports are logged by the processor. */
function diagnosticLogger(logger: Logger) {
  const quiet = (): void => undefined;
  const error = (detail: string): void => logger.warn('tracing', { detail });
  return { error, warn: quiet, info: quiet, debug: quiet, verbose: quiet };
}
