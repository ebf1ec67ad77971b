import { Agent, request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';

export interface FloodRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string;
}

export interface FloodOptions {
  readonly from: readonly string[];
  readonly senders: number;
  readonly next: () => FloodRequest;
  /** Between an answer and the next request. */
  readonly pauseMs?: number;
}

export const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'muster.v1',
} as const;

/** Sends requests from some addresses of this machine, each as soon as the one before it is answered, until it is stopped. */
export class Flood {
  /** How often each status came. */
  readonly statuses = new Map<number, number>();
  /** WebSockets that were opened; they are held until the gateway closes them. */
  readonly held = new Set<Duplex>();
  readonly #url: string;
  readonly #agents: Agent[] = [];
  readonly #senders: Promise<void>[] = [];
  #stopped = false;

  constructor(url: string, options: FloodOptions) {
    this.#url = url;
    for (const localAddress of options.from) {
      const agent = new Agent({ keepAlive: true, localAddress });
      this.#agents.push(agent);
      for (let i = 0; i < options.senders; i += 1) this.#senders.push(this.#send(agent, options));
    }
  }

  count(...statuses: number[]): number {
    return statuses.reduce((total, status) => total + (this.statuses.get(status) ?? 0), 0);
  }

  get total(): number {
    return this.count(...this.statuses.keys());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#senders);
    for (const agent of this.#agents) agent.destroy();
    for (const socket of this.held) socket.destroy();
  }

  async #send(agent: Agent, { next, pauseMs }: FloodOptions): Promise<void> {
    while (!this.#stopped) {
      const status = await this.#one(agent, next());
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Resolves to the status, or to 0 when there was no answer. */
  #one(agent: Agent, { method, path, headers, body }: FloodRequest): Promise<number> {
    return new Promise((resolve) => {
      const sent = request(`http://${this.#url}${path}`, { method, agent, headers });
      sent.on('error', () => resolve(0));
      sent.on('response', (response: IncomingMessage) => {
        response.resume();
        response.on('error', () => resolve(0));
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      sent.on('upgrade', (_response, socket: Duplex) => {
        this.held.add(socket);
        socket.on('error', () => undefined);
        socket.on('data', () => undefined);
        socket.on('close', () => this.held.delete(socket));
        resolve(101);
      });
      sent.end(body);
    });
  }
}
