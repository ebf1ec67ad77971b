import type { TrafficReport } from '@muster/protocol';

/** What the sockets of the gateway's port have carried since it started. */
export interface SocketTraffic {
  /** As of the last look. */
  readonly known: TrafficReport['sockets'];
  /** As of some seconds ago at most. Never rejects. */
  read(): Promise<TrafficReport['sockets']>;
  stop(): Promise<void>;
}

/** Sockets that nobody can see. */
export const UNSEEN_SOCKETS: TrafficReport['sockets'] = { measured: 'frames', bytesIn: 0, bytesOut: 0, missed: 0 };
