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
export interface BytesBothWays {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What sessions of one channel have cost since the gateway started. */
export interface ChannelReport {
  /** Sessions that are ready now. */
  readonly sessions: number;
  /** The time of all sessions, those that have ended too, added up. */
  readonly seconds: number;
  readonly purposes: Readonly<Record<TrafficPurpose, BytesBothWays>>;
}

/**
 * `sockets`: payload of TCP of every connection to the gateway's port, TLS and HTTP with it. `frames`: sockets cannot be seen here, and the bytes
 * are those of the frames.
 */
export type SocketMeasure = 'sockets' | 'frames';

/** What one gateway has counted since it started. In is from agents. */
export interface TrafficReport {
  readonly t: 'traffic';
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Frames, with the heads that WebSocket gives them. */
  readonly live: ChannelReport;
  /** Frames, with the eight bytes that are before each in a batch; before compression. */
  readonly poll: ChannelReport;
  /** Bodies of enrolments. */
  readonly enrol: BytesBothWays;
  readonly sockets: BytesBothWays & {
    readonly measured: SocketMeasure;
    /** How often the kernel's word of a connection's end was missed: what it carried since the last look is not counted. */
    readonly missed: number;
  };
}
