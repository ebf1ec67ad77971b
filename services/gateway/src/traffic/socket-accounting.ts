import type { ByteCounts } from '@muster/protocol';
import type { SocketLine } from './ss-line.js';

/** A socket that a look no longer found, and whose end nobody has told of yet. */
interface Vanished extends ByteCounts {
  readonly atMs: number;
}

/** How long the word of an end may be late. */
const LATE_MS = 60_000;

/**
 * Adds up what the sockets of a port have carried, from looks at those that are open and the word of each that ends. Each socket counts once:
 *
 *     ──a look finds it──▶ open ──the word of its end──▶ ended: its last figures, whatever the looks said
 *                           └──a look does not find it──▶ vanished ──the word──▶ ended
 *                                                            └──a minute without──▶ ended with the figures of the last look, and missed
 *
 * A socket that ends while a look is under way may be in the look all the same: those are left out of it. What begins and ends between two looks is
 * known from its end alone.
 */
export class SocketAccounting {
  #open = new Map<string, ByteCounts>();
  readonly #vanished = new Map<string, Vanished>();
  #endedDuringLook: Set<string> | undefined;
  #endedIn = 0;
  #endedOut = 0;
  #toldIn = 0;
  #toldOut = 0;
  #missed = 0;

  /** How often an end was not told. */
  get missed(): number {
    return this.#missed;
  }

  /** The kernel's word may have been lost, for sockets that no look has seen. */
  miss(): void {
    this.#missed += 1;
  }

  /** Who ends from here on is not in the look that is handed over next. */
  lookBegins(): void {
    this.#endedDuringLook = new Set();
  }

  /** Nothing is handed over. */
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
      // Its addresses are used again: the former socket is over, and its word was lost.
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

  /** Never less than before: a figure that is put right by a byte must not look like a counter that began anew. */
  bytes(): ByteCounts {
    let bytesIn = this.#endedIn;
    let bytesOut = this.#endedOut;
    for (const sockets of [this.#open, this.#vanished]) {
      for (const socket of sockets.values()) {
        bytesIn += socket.bytesIn;
        bytesOut += socket.bytesOut;
      }
    }
    this.#toldIn = Math.max(this.#toldIn, bytesIn);
    this.#toldOut = Math.max(this.#toldOut, bytesOut);
    return { bytesIn: this.#toldIn, bytesOut: this.#toldOut };
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
