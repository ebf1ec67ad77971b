import type { Socket } from 'node:net';
import type { ByteCounts } from '@muster/protocol';

/** What TCP sockets of this process have carried: those that are open, and those that have ended. */
export class SocketTotals {
  readonly #open = new Set<Socket>();
  #endedIn = 0;
  #endedOut = 0;

  /** Counts a socket from its beginning; under TLS, the one that TLS runs on. */
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
