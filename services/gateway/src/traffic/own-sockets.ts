import type { TrafficCounters } from '@muster/messages';
import type { ByteCounts } from '@muster/protocol';
import type { SocketTraffic } from './socket-traffic.js';

/** The sockets of a transport that counts them itself. */
export class OwnSockets implements SocketTraffic {
  readonly #bytes: () => ByteCounts;

  constructor(bytes: () => ByteCounts) {
    this.#bytes = bytes;
  }

  get known(): TrafficCounters['sockets'] {
    const { bytesIn, bytesOut } = this.#bytes();
    return { measured: 'sockets', bytesIn, bytesOut, missed: 0 };
  }

  read(): Promise<TrafficCounters['sockets']> {
    return Promise.resolve(this.known);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
