import type { ByteCounts } from '@muster/protocol';
import type { SocketLine } from './ss-line.js';

/** A socket that a look no longer found, and whose end was not reported yet. */
interface Vanished extends ByteCounts {
  readonly atMs: number;
}

/** How late the report of an end may come. */
const LATE_MS = 60_000;

/**
 * Adds up what the sockets of a port have carried, from looks at those that are open and from the report of each end. Each socket counts
 * once:
 *
 *     ──a look finds it──▶ open ──its end is reported──▶ ended: with the figures of the report
 *                           └──a look does not find it──▶ vanished ──its end is reported──▶ ended
 *                                                            └──a minute without──▶ ended with the figures of the last look, and missed
 *
 * A socket that ends during a look may still be in that look, so it is left out. One that begins and ends between two looks is known from
 * the report of its end.
 */
export class SocketAccounting {
  #open = new Map<string, ByteCounts>();
  readonly #vanished = new Map<string, Vanished>();
  #endedDuringLook: Set<string> | undefined;
  #endedIn = 0;
  #endedOut = 0;
  #reportedIn = 0;
  #reportedOut = 0;
  #missed = 0;

  /** How many ends were not reported. */
  get missed(): number {
    return this.#missed;
  }

  /** Ends may have been lost of sockets that no look has seen. */
  miss(): void {
    this.#missed += 1;
  }

  /** A look begins: sockets that end from now on are left out of it. */
  lookBegins(): void {
    this.#endedDuringLook = new Set();
  }

  /** The look that began has no result. */
  lookFailed(): void {
    this.#endedDuringLook = undefined;
  }

  looked(sockets: Iterable<SocketLine>, nowMs: number): void {
    const ended = this.#endedDuringLook;
    this.#endedDuringLook = undefined;
    const former = this.#open;
    this.#open = new Map();
    for (const { key, bytesIn, bytesOut } of sockets) {
      if (ended?.has(key)) continue;
      this.#open.set(key, { bytesIn, bytesOut });
      former.delete(key);
      // Its addresses are used again: the former socket is over, and the report of its end was lost.
      this.#giveUp(key);
    }
    for (const [key, { bytesIn, bytesOut }] of former) this.#vanished.set(key, { bytesIn, bytesOut, atMs: nowMs });
    for (const [key, { atMs }] of this.#vanished) if (nowMs - atMs >= LATE_MS) this.#giveUp(key);
  }

  ended({ key, bytesIn, bytesOut }: SocketLine): void {
    this.#open.delete(key);
    this.#vanished.delete(key);
    this.#endedDuringLook?.add(key);
    this.#endedIn += bytesIn;
    this.#endedOut += bytesOut;
  }

  /** Never less than before: a figure that is corrected by a byte must not look like a counter that was reset. */
  bytes(): ByteCounts {
    let bytesIn = this.#endedIn;
    let bytesOut = this.#endedOut;
    for (const sockets of [this.#open, this.#vanished]) {
      for (const socket of sockets.values()) {
        bytesIn += socket.bytesIn;
        bytesOut += socket.bytesOut;
      }
    }
    this.#reportedIn = Math.max(this.#reportedIn, bytesIn);
    this.#reportedOut = Math.max(this.#reportedOut, bytesOut);
    return { bytesIn: this.#reportedIn, bytesOut: this.#reportedOut };
  }

  #giveUp(key: string): void {
    const socket = this.#vanished.get(key);
    if (socket === undefined) return;
    this.#vanished.delete(key);
    this.#missed += 1;
    this.#endedIn += socket.bytesIn;
    this.#endedOut += socket.bytesOut;
  }
}
