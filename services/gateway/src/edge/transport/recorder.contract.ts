import { systemClock, trustedProxies } from '@muster/runtime';
import type { Connection, ConnectionListener } from '../../foundation/connection.js';
import { ChannelTraffic } from '../../traffic/frame-traffic.js';
import type { HttpRequest } from '../http/http-message.js';
import type { TransportHandlers, TransportOptions, UpgradeRequest } from './transport.js';

/** What a test sees of the far side of a transport. */
export class Recorder implements TransportHandlers<string>, ConnectionListener<string> {
  readonly connections = this;
  readonly upgrades: UpgradeRequest[] = [];
  readonly requests: HttpRequest[] = [];
  readonly events: string[] = [];
  readonly open: Connection[] = [];
  readonly closedCodes: number[] = [];
  onMessage: (connection: Connection, data: Uint8Array) => void = (connection, data) => {
    connection.send(data.slice());
  };
  #waiters: (() => void)[] = [];

  upgrade(request: UpgradeRequest) {
    this.upgrades.push(request);
    if (request.path === '/refuse') {
      const reply = { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: '{"status":401}' };
      return Promise.resolve({ kind: 'refuse', reply } as const);
    }
    if (request.path === '/broken') return Promise.reject(new Error('broken'));
    return Promise.resolve({
      kind: 'accept',
      protocol: request.protocols[0] ?? '',
      context: `context ${request.path}`,
    } as const);
  }

  opened(connection: Connection, context: string): void {
    this.open.push(connection);
    this.#note(`open ${context}`);
  }

  received(connection: Connection, data: Uint8Array, isBinary: boolean): void {
    this.#note(`message ${data.length} ${isBinary ? 'binary' : 'text'}`);
    this.onMessage(connection, data);
  }

  pinged(): void {
    this.#note('ping');
  }

  ponged(_connection: Connection, data: Uint8Array): void {
    this.#note(`pong ${Buffer.from(data).toString()}`);
  }

  closed(_connection: Connection, code: number): void {
    this.closedCodes.push(code);
    this.#note('closed');
  }

  http(request: HttpRequest) {
    this.requests.push(request);
    return Promise.resolve({
      status: 201,
      headers: { 'content-type': 'text/plain' },
      body: `${request.body.length} bytes`,
    });
  }

  /** Resolves when the condition holds; it is looked at after every event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #note(event: string): void {
    this.events.push(event);
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

export const BODY_BYTES = 16 * 1024;

export const CONTRACT_OPTIONS: TransportOptions = {
  host: '127.0.0.1',
  port: 0,
  trustedProxies: trustedProxies([]),
  frameBytes: 64 * 1024,
  bodyBytes: () => BODY_BYTES,
  silenceMs: 8_000,
  backpressureBytes: 64 * 1024,
  traffic: new ChannelTraffic(systemClock),
};
