import type { TrafficCounters } from '@muster/messages';

/** What the sockets of the gateway's port have carried since it started. */
export interface SocketTraffic {
  /** As of the last look. */
  readonly known: TrafficCounters['sockets'];
  /** As of some seconds ago at most. Never rejects. */
  read(): Promise<TrafficCounters['sockets']>;
  stop(): Promise<void>;
}

/** Where sockets cannot be counted. */
export const UNSEEN_SOCKETS: TrafficCounters['sockets'] = { measured: 'frames', bytesIn: 0, bytesOut: 0, missed: 0 };
