import type { BytesBothWays, TrafficPurpose } from '@muster/protocol';

/** What sessions of one channel have cost since the gateway started. */
export interface ChannelCounters {
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
export interface TrafficCounters {
  readonly t: 'traffic';
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Frames, with the heads that WebSocket gives them. */
  readonly live: ChannelCounters;
  /** Frames, with the eight bytes that are before each in a batch; before compression. */
  readonly poll: ChannelCounters;
  /** Bodies of enrolments. */
  readonly enrol: BytesBothWays;
  readonly sockets: BytesBothWays & {
    readonly measured: SocketMeasure;
    /** How often the kernel's word of a connection's end was missed: what it carried since the last look is not counted. */
    readonly missed: number;
  };
}
