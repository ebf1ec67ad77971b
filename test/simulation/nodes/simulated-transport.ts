import type { Connection, SendResult } from '@muster/gateway/connection';
import type { HandshakeContext } from '@muster/gateway/handshake-context';
import type { HttpReply, HttpRequest } from '@muster/gateway/http-message';
import type { Transport, TransportHandlers, UpgradeDecision } from '@muster/gateway/transport';
import { CLOSE, decodeHeader, FRAME, SUBPROTOCOL, type ByteCounts } from '@muster/protocol';
import { Channel } from '../world/channel.js';
import { frameText } from '../world/message-text.js';
import type { SimulatedProcess, World } from '../world/world.js';

/** What an endpoint hears on its connection. */
export interface EndpointSide {
  readonly process: SimulatedProcess;
  readonly opened: (connection: EndpointConnection) => void;
  readonly refused: () => void;
  readonly received: (frame: Uint8Array) => void;
  /** A ping, a heartbeat: the gateway lives. */
  readonly heard: () => void;
  readonly closed: (code: number) => void;
}

/** What an endpoint does with its connection. */
export interface EndpointConnection {
  send(frame: Uint8Array): void;
  ping(): void;
  /** Orderly end. */
  close(): void;
  /** Drops it without a word. */
  drop(): void;
}

const ABNORMAL = 1006;
/** An agent waits so long for the head of an answer. */
const ANSWER_MS = 15_000;

/** The sockets of one gateway: each connection is a channel between its process and an endpoint's. */
export class SimulatedTransport implements Transport {
  readonly process: SimulatedProcess;
  isListening = false;
  /** What it sent in sessions that it no longer had: their lease was over. */
  readonly late: string[];
  readonly #world: World;
  readonly #handlers: TransportHandlers<HandshakeContext>;
  readonly #open = new Set<Channel>();

  constructor(
    world: World,
    { process, late }: { readonly process: SimulatedProcess; readonly late: string[] },
    handlers: TransportHandlers<HandshakeContext>,
  ) {
    this.#world = world;
    this.process = process;
    this.late = late;
    this.#handlers = handlers;
  }

  listen(): Promise<number> {
    this.isListening = true;
    return Promise.resolve(8443);
  }

  renewCertificate(): Promise<void> {
    return Promise.resolve();
  }

  /** Bytes are not what is looked at here; with it, the gateway asks no other program for them. */
  socketBytes(): ByteCounts {
    return { bytesIn: 0, bytesOut: 0 };
  }

  stopListening(): void {
    this.isListening = false;
  }

  stop(): void {
    for (const channel of this.#open) channel.end();
  }

  /** An endpoint connects. */
  dial(endpoint: EndpointSide, token: string): void {
    let connection: GatewaySide | undefined;
    let code = ABNORMAL;
    let codeOfEndpoint = ABNORMAL;
    const channel: Channel = new Channel(this.#world, {
      client: { process: endpoint.process, onEnd: () => endpoint.closed(code) },
      server: {
        process: this.process,
        onEnd: () => {
          this.#open.delete(channel);
          if (connection !== undefined) this.#handlers.connections.closed(connection, codeOfEndpoint);
        },
      },
    });
    this.#open.add(channel);
    channel.toServer(() => void this.#upgrade(token).then((decision) => accept(decision)));
    const accept = (decision: UpgradeDecision<HandshakeContext>): void => {
      if (decision.kind === 'refuse' || !this.isListening) {
        channel.toClient(() => endpoint.refused());
        return channel.end();
      }
      const side = new GatewaySide(channel, endpoint, {
        closed: (told) => {
          code = told;
        },
        sent: this.#judge(endpoint.process.name),
      });
      connection = side;
      const close = (): void => {
        codeOfEndpoint = CLOSE.normal.code;
        channel.close();
      };
      channel.toClient(() => endpoint.opened({ ...this.#endpointSide(channel, side), close }));
      this.#handlers.connections.opened(side, decision.context);
    };
  }

  /** Sees what is sent on a connection. From WELCOME on it is a session, until its gateway stands still past its lease. */
  #judge(endpoint: string): (frame: Uint8Array) => void {
    let standstills: number | undefined;
    return (frame) => {
      const type = decodeHeader(frame)?.type;
      if (type === FRAME.welcome) standstills = this.process.longStandstills;
      // That it is over may be said.
      if (type === FRAME.error || standstills === undefined || standstills === this.process.longStandstills) return;
      this.late.push(
        `${this.process.name} sent ${endpoint} a frame of type ${type} in a session from before it stood still`,
      );
    };
  }

  #upgrade(token: string): Promise<UpgradeDecision<HandshakeContext>> {
    return this.#handlers.upgrade({
      ...{ path: '/v1/live', address: '192.0.2.1', protocols: [SUBPROTOCOL] },
      ...{ authorization: `Bearer ${token}`, proof: undefined, origin: undefined },
    });
  }

  /** A request over HTTP, on a connection of its own; `undefined` when no answer comes. */
  request(client: SimulatedProcess, request: HttpRequest, done: (reply: HttpReply | undefined) => void): void {
    let isDone = false;
    const finish = (reply?: HttpReply): void => {
      if (isDone) return;
      isDone = true;
      done(reply);
    };
    const channel: Channel = new Channel(this.#world, {
      client: { process: client, onEnd: () => finish() },
      server: { process: this.process, onEnd: () => this.#open.delete(channel) },
    });
    this.#open.add(channel);
    this.#world.schedule(client, ANSWER_MS, () => channel.end());
    channel.toServer(() => {
      if (!this.isListening) return channel.end();
      this.#handlers.http(request).then(
        (reply) => {
          channel.toClient(() => finish(reply));
          channel.close();
        },
        () => channel.end(),
      );
    });
  }

  #endpointSide(channel: Channel, side: GatewaySide): Omit<EndpointConnection, 'close'> {
    const { connections } = this.#handlers;
    return {
      send: (frame) => channel.toServer(() => side.isOpen && connections.received(side, frame, true), frameText(frame)),
      ping: () =>
        channel.toServer(() => {
          if (!side.isOpen) return;
          connections.pinged(side);
          side.pong();
        }),
      drop: () => channel.end(),
    };
  }
}

/** The gateway's end of a connection. */
class GatewaySide implements Connection {
  readonly address = '192.0.2.1';
  isOpen = true;
  readonly #channel: Channel;
  readonly #endpoint: EndpointSide;
  readonly #seen: { readonly closed: (code: number) => void; readonly sent: (frame: Uint8Array) => void };

  constructor(
    channel: Channel,
    endpoint: EndpointSide,
    seen: { readonly closed: (code: number) => void; readonly sent: (frame: Uint8Array) => void },
  ) {
    this.#channel = channel;
    this.#endpoint = endpoint;
    this.#seen = seen;
  }

  send(frame: Uint8Array): SendResult {
    if (!this.isOpen || !this.#channel.isOpen) return 'closed';
    this.#seen.sent(frame);
    const copy = new Uint8Array(frame);
    this.#channel.toClient(() => this.#endpoint.received(copy), frameText(copy));
    return 'sent';
  }

  ping(): void {
    this.#channel.toClient(() => this.#endpoint.heard());
  }

  pong(): void {
    this.#channel.toClient(() => this.#endpoint.heard());
  }

  beat(): void {
    this.#channel.toClient(() => this.#endpoint.heard());
  }

  close(code: number): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#seen.closed(code);
    this.#channel.end();
  }

  cork(run: () => void): void {
    run();
  }
}
