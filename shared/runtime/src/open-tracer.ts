import type { Env } from './config.js';
import { NO_TRACER, type Tracer, type TracerOptions } from './tracer.js';

/**
 * The tracer that the standard variables of OpenTelemetry describe. Its libraries cost 16 MB and 0.3 s of processor
 * time, so they are loaded only where `OTEL_EXPORTER_OTLP_ENDPOINT` (or the one for traces alone) is set. A tracer that
 * cannot be made does not keep a service from starting.
 */
export async function openTracer(env: Env, options: TracerOptions): Promise<Tracer> {
  const { logger } = options;
  if (!isOn(env)) return NO_TRACER;
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? PROTOCOL;
  if (protocol !== PROTOCOL)
    logger.warn('traces are sent by the one protocol that is built in', { protocol: PROTOCOL });
  try {
    const { createOtelTracer } = await import('./otel-tracer.js');
    return createOtelTracer(options);
  } catch (error) {
    logger.error('traces are off: the tracer could not be made', { err: error });
    return NO_TRACER;
  }
}

const PROTOCOL = 'http/protobuf';

function isOn(env: Env): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT);
}
