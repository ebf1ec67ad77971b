import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { agentIdFromPublicKey, verifyEnrollProof, verifyHelloProof } from '@muster/identity';
import {
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  SUBPROTOCOL,
  type HelloBody,
  type QueryBody,
} from '@muster/protocol';
import { WebSocketServer, type WebSocket } from 'ws';

/** One agent's session as the fake gateway sees it. */
export interface FakeSession {
  readonly agentId: string;
  readonly hello: HelloBody;
  readonly socket: WebSocket;
}

/** A frame that an agent sent after its hello. */
export interface Received {
  readonly agentId: string;
  readonly type: number;
  readonly final: boolean;
  readonly body: Uint8Array;
}

/** A gateway for tests of the simulator: enrols, checks both proofs, asks, and notes what comes; nothing more. */
export class FakeGateway {
  readonly sessions = new Map<string, FakeSession>();
  readonly received: Received[] = [];
  upgrades = 0;
  /** The status that the next upgrades are refused with. */
  refuseWith: number | undefined;
  onFrame: () => void = () => undefined;
  /** What enrolment tells agents to trust, and WELCOME of the keys. */
  trust: { readonly keys: readonly { readonly kid: string; readonly x: string }[] } | undefined;
  commandKeys: string | undefined;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  readonly #keys = new Map<string, string>();

  constructor() {
    this.#server = createServer((request, response) => {
      void readText(request).then((text) => {
        const reply = this.#enrol(text);
        response.writeHead(reply === undefined ? 401 : 201, { 'content-type': 'application/json' });
        response.end(JSON.stringify(reply ?? {}));
      });
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.upgrades += 1;
      if (this.refuseWith !== undefined) {
        socket.end(`HTTP/1.1 ${this.refuseWith} No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#welcome(ws, token));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.sessions.values()) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  ask(ref: number, query: Partial<QueryBody> & { sql: string }): void {
    const budget = { ms: 10_000, rows: 10_000, bytes: 4_000_000 };
    const body = encodeBody('query', {
      id: 'q1',
      columns: ['a', 'b'],
      remainingMs: 10_000,
      budget,
      credit: 1_000_000,
      ...query,
    });
    for (const { socket } of this.sessions.values()) socket.send(encodeFrame(FRAME.query, ref, body));
  }

  /** Sends a frame to one agent. */
  send(agentId: string, frame: Uint8Array): void {
    this.sessions.get(agentId)?.socket.send(frame);
  }

  #enrol(text: string): object | undefined {
    const { org, publicKey, timestampMs, proof } = JSON.parse(text) as Record<string, string> & { timestampMs: number };
    const claim = { org: org ?? '', publicKeyX: publicKey ?? '', timestampMs };
    if (!verifyEnrollProof(claim, proof ?? '', Date.now()).ok) return undefined;
    const agentId = agentIdFromPublicKey(publicKey ?? '');
    this.#keys.set(agentId, publicKey ?? '');
    return {
      agentId,
      num: this.#keys.size,
      token: `token-${agentId}`,
      expiresAtMs: Date.now() + 1e9,
      trust: this.trust,
    };
  }

  #welcome(socket: WebSocket, token: string): void {
    const agentId = token.replace('token-', '');
    const nonce = new Uint8Array(32).fill(7);
    socket.send(encodeFrame(FRAME.challenge, 0, encodeBody('challenge', { nonce, serverTimeMs: Date.now() })));
    socket.once('message', (data) => {
      const hello = decodeBody('hello', frameBody(data as Buffer));
      if (!hello.ok) return socket.close(4504);
      const claim = { agentId, nonce, token };
      if (!verifyHelloProof(this.#keys.get(agentId) ?? '', claim, hello.body.proof)) return socket.close(4500);
      this.sessions.set(agentId, { agentId, hello: hello.body, socket });
      socket.on('message', (frame) => this.#note(agentId, frame as Buffer));
      socket.on('close', () => this.sessions.delete(agentId));
      const { commandKeys } = this;
      const known = commandKeys === undefined ? {} : { commandKeys };
      const welcome = { agentId, epoch: 1, heartbeatMs: 25_000, labels: {}, ...known };
      return socket.send(encodeFrame(FRAME.welcome, 0, encodeBody('welcome', welcome)));
    });
  }

  #note(agentId: string, frame: Buffer): void {
    const header = decodeHeader(frame);
    if (header === undefined) throw new Error('a frame that is none');
    const body = Uint8Array.from(frameBody(frame));
    this.received.push({ agentId, type: header.type, final: header.flags === 1, body });
    this.onFrame();
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}
