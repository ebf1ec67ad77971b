import type { Metrics } from '@muster/runtime';
import { createAdmissionMetrics, type AdmissionMetrics } from './sessions/admission/admission-metrics.js';
import { createCommandMetrics, type CommandMetrics } from './capabilities/commands/command-metrics.js';
import { createModeMetrics, type ModeMetrics } from './capabilities/modes/mode-metrics.js';
import { createPollMetrics, type PollMetrics } from './edge/poll/poll-metrics.js';
import { createQueryMetrics, type QueryMetrics } from './capabilities/queries/query-metrics.js';
import { createSessionMetrics, type SessionMetrics } from './sessions/session-metrics.js';

export type GatewayMetrics = AdmissionMetrics &
  SessionMetrics &
  QueryMetrics &
  CommandMetrics &
  ModeMetrics &
  PollMetrics;

/** All metrics of the gateway; the gauges read what lives when they are scraped. */
export function createGatewayMetrics(
  metrics: Metrics,
  live: { readonly sessions: () => number; readonly connections: () => number; readonly queries: () => number },
): GatewayMetrics {
  return {
    ...createAdmissionMetrics(metrics),
    ...createSessionMetrics(metrics, live),
    ...createQueryMetrics(metrics, live.queries),
    ...createCommandMetrics(metrics),
    ...createModeMetrics(metrics),
    ...createPollMetrics(metrics),
  };
}
