import type { ByteCounts, TrafficPurpose } from '@muster/protocol';

/** What the sessions of one channel have cost since the gateway started. */
export interface ChannelCounters {
  /** Sessions that are ready now. */
  readonly sessions: number;
  /** Sum of the duration of all sessions, ended ones included. */
  readonly seconds: number;
  /** A gateway of the version before does not know all purposes. */
  readonly purposes: Readonly<Partial<Record<TrafficPurpose, ByteCounts>>>;
}

/**
 * How bytes were measured. `sockets`: TCP payload of every connection to the gateway's port, with TLS and HTTP. `frames`: this system
 * does not show socket counters, and the bytes are those of the frames.
 */
export type SocketMeasure = 'sockets' | 'frames';

/** What one gateway has counted since it started. `bytesIn` came from agents. */
export interface TrafficCounters {
  readonly t: 'traffic';
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Frames with their WebSocket headers. */
  readonly live: ChannelCounters;
  /** Frames with the eight bytes before each in a batch, before compression. */
  readonly poll: ChannelCounters;
  /** Bodies of enrolment requests and replies. */
  readonly enrol: ByteCounts;
  readonly sockets: ByteCounts & {
    readonly measured: SocketMeasure;
    /** How often the kernel's notice of a connection's end was missed. Its bytes since the last reading are not counted. */
    readonly missed: number;
  };
}
