import type { BytesBothWays, TrafficReport } from '@muster/protocol';
import type { SocketTraffic } from './socket-traffic.js';

/** The sockets of a transport that counts them itself. */
export class OwnSockets implements SocketTraffic {
  readonly #bytes: () => BytesBothWays;

  constructor(bytes: () => BytesBothWays) {
    this.#bytes = bytes;
  }

  get known(): TrafficReport['sockets'] {
    const { bytesIn, bytesOut } = this.#bytes();
    return { measured: 'sockets', bytesIn, bytesOut, missed: 0 };
  }

  read(): Promise<TrafficReport['sockets']> {
    return Promise.resolve(this.known);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
