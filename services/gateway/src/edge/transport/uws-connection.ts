import type * as Uws from 'uWebSockets.js';
import type { Connection, SendResult } from '../../foundation/connection.js';
import { webSocketHead, type ChannelTraffic } from '../../traffic/frame-traffic.js';

const DROPPED = 2;
const EMPTY = new Uint8Array(0);

/** All that our side keeps for a connection, besides what the listener keeps. */
export class UwsConnection implements Connection {
  readonly address: string;
  // Cleared on close: uWebSockets throws when a socket is used after that.
  #socket: Uws.WebSocket<unknown> | undefined;
  readonly #traffic: ChannelTraffic;

  constructor(socket: Uws.WebSocket<unknown>, address: string, traffic: ChannelTraffic) {
    this.#socket = socket;
    this.address = address;
    this.#traffic = traffic;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#socket === undefined) return 'closed';
    if (this.#socket.send(frame, true, false) === DROPPED) return 'dropped';
    this.#traffic.sent(frame, webSocketHead(frame.length, 'out'));
    return 'sent';
  }

  ping(data: Uint8Array): void {
    if (this.#socket === undefined) return;
    this.#socket.ping(data);
    this.#traffic.heartbeat('out', data.length);
  }

  beat(): void {
    if (this.#socket === undefined || this.#socket.send(EMPTY, true, false) === DROPPED) return;
    this.#traffic.heartbeat('out', 0);
  }

  close(code: number, reason: string): void {
    this.#socket?.end(code, reason);
  }

  cork(run: () => void): void {
    if (this.#socket === undefined) run();
    else this.#socket.cork(run);
  }

  detach(): void {
    this.#socket = undefined;
  }
}
