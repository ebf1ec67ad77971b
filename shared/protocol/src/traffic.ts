import { FRAME } from './frames.js';

/** What bytes are for. `session` is everything that keeps a session itself: from CHALLENGE to ERROR, MODE among them. */
export const TRAFFIC_PURPOSES = ['session', 'heartbeat', 'query', 'command'] as const;
export type TrafficPurpose = (typeof TRAFFIC_PURPOSES)[number];

const OF_QUERIES: ReadonlySet<number> = new Set([FRAME.query, FRAME.cancel, FRAME.credit, FRAME.rows, FRAME.queryEnd]);
const OF_COMMANDS: ReadonlySet<number> = new Set([FRAME.command, FRAME.commandCancel, FRAME.reportKept, FRAME.report]);

/** What a frame is for, by its first byte. What is no frame of the protocol counts for the session that it ends. */
export function purposeOfFrame(type: number): Exclude<TrafficPurpose, 'heartbeat'> {
  if (OF_QUERIES.has(type)) return 'query';
  return OF_COMMANDS.has(type) ? 'command' : 'session';
}

/** Bytes either way, as the one who counts them sees it. */
export interface ByteCounts {
  readonly bytesIn: number;
  readonly bytesOut: number;
}
