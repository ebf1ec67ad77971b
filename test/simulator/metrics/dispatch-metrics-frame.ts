import { decodeBody, frameBody, FRAME, type Header } from '@muster/protocol';
import type { SimulatedMetrics } from './simulated-metrics.js';

/** Hands METRICS or METRICS_HISTORY to the agent. Returns false when its body is malformed. */
export function dispatchMetricsFrame(
  metrics: SimulatedMetrics,
  { type, ref }: Header,
  { frame, ageMs, nowMs }: { readonly frame: Uint8Array; readonly ageMs: number; readonly nowMs: number },
): boolean {
  if (type === FRAME.metrics) {
    const assigned = decodeBody('metrics', frameBody(frame));
    if (assigned.ok) metrics.assign(assigned.body, ageMs, nowMs);
    return assigned.ok;
  }
  const wanted = decodeBody('metricsHistory', frameBody(frame));
  if (wanted.ok) metrics.history(ref, wanted.body, nowMs);
  return wanted.ok;
}
