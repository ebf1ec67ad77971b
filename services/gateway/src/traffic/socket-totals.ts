import type { Socket } from 'node:net';
import type { ByteCounts } from '@muster/protocol';

/** The bytes that TCP sockets of this process have carried, open ones and ended ones. */
export class SocketTotals {
  readonly #open = new Set<Socket>();
  #endedIn = 0;
  #endedOut = 0;

  /** Counts a new socket; under TLS, the one that TLS runs on. */
  watch(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#endedIn += socket.bytesRead;
      this.#endedOut += socket.bytesWritten;
    });
  }

  bytes(): ByteCounts {
    let bytesIn = this.#endedIn;
    let bytesOut = this.#endedOut;
    for (const socket of this.#open) {
      bytesIn += socket.bytesRead;
      bytesOut += socket.bytesWritten;
    }
    return { bytesIn, bytesOut };
  }
}
