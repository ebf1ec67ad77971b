import { FRAME } from './frames.js';

/** What bytes are used for. `session` is everything that the session itself needs: from CHALLENGE to ERROR, and MODE. */
export const TRAFFIC_PURPOSES = ['session', 'heartbeat', 'query', 'command', 'metrics'] as const;
export type TrafficPurpose = (typeof TRAFFIC_PURPOSES)[number];

const OF_QUERIES: ReadonlySet<number> = new Set([
  FRAME.query,
  FRAME.cancel,
  FRAME.credit,
  FRAME.rows,
  FRAME.queryEnd,
  FRAME.warnings,
  FRAME.pack,
  FRAME.packWanted,
  FRAME.progress,
]);
const OF_COMMANDS: ReadonlySet<number> = new Set([FRAME.command, FRAME.commandCancel, FRAME.reportKept, FRAME.report]);
const OF_METRICS: ReadonlySet<number> = new Set([
  ...[FRAME.metrics, FRAME.metricsHistory],
  ...[FRAME.keyframe, FRAME.delta, FRAME.history, FRAME.processes],
]);

/** The purpose of a frame, by its first byte. An unknown type counts as `session`. */
export function purposeOfFrame(type: number): Exclude<TrafficPurpose, 'heartbeat'> {
  if (OF_QUERIES.has(type)) return 'query';
  if (OF_METRICS.has(type)) return 'metrics';
  return OF_COMMANDS.has(type) ? 'command' : 'session';
}

/** Bytes in both directions, as seen by the program that counts them. */
export interface ByteCounts {
  readonly bytesIn: number;
  readonly bytesOut: number;
}
