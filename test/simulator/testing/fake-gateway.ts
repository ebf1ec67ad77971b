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
  type ModeBody,
  type QueryBody,
  type SessionMode,
} from '@muster/protocol';
import { WebSocketServer, type WebSocket } from 'ws';
import { FakePoll, FakePollSocket } from './fake-poll.js';

/** One agent's session as the fake gateway sees it. */
export interface FakeSession {
  readonly agentId: string;
  readonly mode: SessionMode;
  readonly hello: HelloBody;
  send(frame: Uint8Array): void;
  close(code: number): void;
  /** Drops the connection without a close code. */
  drop(): void;
  readonly closed: Promise<number>;
}

/** The connection of a session, over either channel. */
interface FakeWire {
  readonly mode: SessionMode;
  send(frame: Uint8Array): void;
  close(code: number): void;
  drop(): void;
}

/** A frame that an agent sent after HELLO. */
export interface Received {
  readonly agentId: string;
  readonly type: number;
  readonly final: boolean;
  readonly body: Uint8Array;
}

/** A gateway for tests of the simulator: enrols agents, checks both proofs, sends queries and records what arrives. */
export class FakeGateway {
  /** The newest session of each agent. */
  readonly sessions = new Map<string, FakeSession>();
  /** All sessions that became ready, in order. */
  readonly history: FakeSession[] = [];
  readonly received: Received[] = [];
  /** The status with which upgrades are refused. */
  refuseUpgradesWith: number | undefined;
  /** The roots that enrolment hands out, and the key list that WELCOME carries. */
  trust: { readonly keys: readonly { readonly kid: string; readonly x: string }[] } | undefined;
  commandKeys: string | undefined;
  /** The channel that WELCOME assigns to agents with the capability `mode`. */
  mode: ModeBody | undefined;
  readonly poll = new FakePoll((token) => this.#pollOpened(token));
  #onFrame: () => void = () => undefined;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  readonly #keys = new Map<string, string>();

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url === '/v1/poll') {
        this.poll.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
        return;
      }
      void readText(request).then((text) => {
        const reply = this.#enrol(text);
        response.writeHead(reply === undefined ? 401 : 201, { 'content-type': 'application/json' });
        response.end(JSON.stringify(reply ?? {}));
      });
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.refuseUpgradesWith !== undefined) {
        socket.end(`HTTP/1.1 ${this.refuseUpgradesWith} No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#upgraded(ws, token));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const session of this.sessions.values()) session.drop();
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
    for (const session of this.sessions.values()) session.send(encodeFrame(FRAME.query, ref, body));
  }

  /** Resolves when the condition holds; it is checked at every frame that arrives. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onFrame = () => {
        if (condition()) resolve();
      };
      this.#onFrame();
    });
  }

  /** Sends a frame to one agent. */
  send(agentId: string, frame: Uint8Array): void {
    this.sessions.get(agentId)?.send(frame);
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

  #upgraded(socket: WebSocket, token: string): void {
    const wire: FakeWire = {
      mode: 'live',
      send: (frame) => socket.send(frame),
      close: (code) => socket.close(code),
      drop: () => socket.terminate(),
    };
    const handlers = this.#opened(wire, token);
    socket.on('message', (frame) => handlers.received(frame as Buffer));
    socket.on('close', (code) => handlers.closed(code));
  }

  #pollOpened(token: string): FakePollSocket {
    const socket = new FakePollSocket({
      received: (frame) => handlers.received(frame),
      closed: (code) => handlers.closed(code),
    });
    const wire: FakeWire = {
      mode: 'poll',
      send: (frame) => socket.send(frame),
      close: (code) => socket.close(code),
      drop: () => socket.close(1001),
    };
    const handlers = this.#opened(wire, token);
    return socket;
  }

  /** Handles a connection over either channel: CHALLENGE, WELCOME, then records what arrives. */
  #opened(wire: FakeWire, token: string): { received(frame: Uint8Array): void; closed(code: number): void } {
    const agentId = token.replace('token-', '');
    const nonce = new Uint8Array(32).fill(7);
    let session: FakeSession | undefined;
    let ended: (code: number) => void = () => undefined;
    const closed = new Promise<number>((resolve) => (ended = resolve));
    wire.send(encodeFrame(FRAME.challenge, 0, encodeBody('challenge', { nonce, serverTimeMs: Date.now() })));
    return {
      received: (frame) => {
        if (session !== undefined) {
          this.#record(agentId, frame);
          return;
        }
        const hello = decodeBody('hello', frameBody(frame));
        if (!hello.ok) return wire.close(4504);
        const claim = { agentId, nonce, token };
        if (!verifyHelloProof(this.#keys.get(agentId) ?? '', claim, hello.body.proof)) return wire.close(4500);
        session = { ...wire, agentId, hello: hello.body, closed };
        this.sessions.set(agentId, session);
        this.history.push(session);
        return wire.send(this.#welcome(session));
      },
      closed: (code) => {
        if (this.sessions.get(agentId) === session) this.sessions.delete(agentId);
        ended(code);
      },
    };
  }

  #welcome({ agentId, hello }: FakeSession): Uint8Array {
    const { commandKeys, mode } = this;
    const keys = commandKeys === undefined ? {} : { commandKeys };
    const modeAssigned = mode === undefined || !hello.capabilities.includes('mode') ? {} : { mode };
    const welcome = { agentId, epoch: this.history.length, heartbeatMs: 25_000, labels: {}, ...keys, ...modeAssigned };
    return encodeFrame(FRAME.welcome, 0, encodeBody('welcome', welcome));
  }

  #record(agentId: string, frame: Uint8Array): void {
    const header = decodeHeader(frame);
    if (header === undefined) throw new Error('not a frame');
    const body = Uint8Array.from(frameBody(frame));
    this.received.push({ agentId, type: header.type, final: header.flags === 1, body });
    this.#onFrame();
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}
