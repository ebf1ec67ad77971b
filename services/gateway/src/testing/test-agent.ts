import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  agentIdFromPublicKey,
  exportAgentKeys,
  generateAgentKeys,
  signEnrollProof,
  signHelloProof,
  type AgentKeys,
} from '@muster/identity';
import {
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FLAG_FINAL,
  FRAME,
  frameBody,
  SUBPROTOCOL,
  type AgentId,
  type AgentOutcome,
  type Facts,
  type HelloBody,
  type Labels,
  type WelcomeBody,
} from '@muster/protocol';
import { WebSocket } from 'ws';
import { ENROLL_SECRET, ORG } from './running-gateway.js';

export const FACTS: Facts = {
  host: 'host-1',
  os: 'linux',
  arch: 'x64',
  osName: 'Debian GNU/Linux',
  osVersion: '12',
  agentVersion: '0.1.0',
};

export interface ReceivedFrame {
  readonly type: number;
  readonly ref: number;
  readonly body: Uint8Array;
}

/** An agent as a test drives it: it does nothing by itself but answer the challenge. */
export class TestAgent {
  readonly keys: AgentKeys;
  readonly x: string;
  readonly agentId: AgentId;
  instance: Uint8Array = randomBytes(16);
  facts: Facts = FACTS;
  labels: Labels = {};
  capabilities: string[] = ['query'];
  away: HelloBody['away'];
  token = '';
  num = 0;

  constructor() {
    this.keys = generateAgentKeys();
    this.x = exportAgentKeys(this.keys).x;
    this.agentId = agentIdFromPublicKey(this.x);
  }

  /** Enrols and keeps the token; `change` alters the request before it is sent. */
  async enroll(url: string, change: { secret?: string; body?: Record<string, unknown> } = {}): Promise<Response> {
    const timestampMs = Date.now();
    const proof = signEnrollProof(this.keys.privateKey, { org: ORG, publicKeyX: this.x, timestampMs });
    const body = {
      org: ORG,
      publicKey: this.x,
      timestampMs,
      proof,
      facts: this.facts,
      labels: this.labels,
      ...change.body,
    };
    const response = await fetch(`http://${url}/v1/enroll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${change.secret ?? ENROLL_SECRET}` },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      const { token, num } = (await response.clone().json()) as { token: string; num: number };
      this.token = token;
      this.num = num;
    }
    return response;
  }

  /** Opens a session and resolves when it is ready. */
  async connect(url: string): Promise<TestSession> {
    const session = await this.open(url);
    session.answerChallenge(await session.next(FRAME.challenge));
    const welcome = decodeBody('welcome', (await session.next(FRAME.welcome)).body);
    if (!welcome.ok) throw new Error(welcome.fault);
    session.epoch = welcome.body.epoch;
    session.welcome = welcome.body;
    if (welcome.body.token !== undefined) this.token = welcome.body.token;
    return session;
  }

  /** Opens the WebSocket only. */
  async open(url: string): Promise<TestSession> {
    const socket = new WebSocket(`ws://${url}/v1/live`, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    const session = new TestSession(this, socket);
    await once(socket, 'open');
    return session;
  }
}

export class TestSession {
  readonly agent: TestAgent;
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  epoch = 0;
  welcome: WelcomeBody | undefined;
  /** The types of all frames that came, in order. */
  readonly types: number[] = [];
  readonly #frames: ReceivedFrame[] = [];
  #wake: () => void = () => undefined;
  #closeCode: number | undefined;

  constructor(agent: TestAgent, socket: WebSocket) {
    this.agent = agent;
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const header = decodeHeader(data);
      if (header === undefined) throw new Error('the gateway sent no frame');
      this.types.push(header.type);
      this.#frames.push({ type: header.type, ref: header.ref, body: frameBody(data) });
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code: number) => {
        this.#closeCode = code;
        this.#wake();
        resolve(code);
      });
    });
  }

  /** The next frame of this type, waiting for it; frames of other types are passed over. */
  async next(type: number): Promise<ReceivedFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame?.type === type) return frame;
      if (frame !== undefined) continue;
      if (this.#closeCode !== undefined) throw new Error(`closed with ${this.#closeCode}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  answerChallenge(frame: ReceivedFrame, token = this.agent.token): void {
    this.send(FRAME.hello, 0, this.helloFor(frame, token));
  }

  helloFor(frame: ReceivedFrame, token = this.agent.token): Uint8Array {
    const challenge = decodeBody('challenge', frame.body);
    if (!challenge.ok) throw new Error(challenge.fault);
    const { agentId, keys, facts, labels, capabilities, instance, away } = this.agent;
    const proof = new Uint8Array(signHelloProof(keys.privateKey, { agentId, nonce: challenge.body.nonce, token }));
    const said = away === undefined ? {} : { away };
    return encodeBody('hello', { facts, labels: { ...labels }, capabilities, instance, proof, ...said });
  }

  send(type: (typeof FRAME)[keyof typeof FRAME], ref: number, body: Uint8Array, flags = 0): void {
    this.socket.send(encodeFrame(type, ref, body, flags));
  }

  answer(ref: number, rows: Uint8Array): void {
    this.send(FRAME.rows, ref, rows, FLAG_FINAL);
  }

  fail(ref: number, outcome: AgentOutcome): void {
    this.send(FRAME.queryEnd, ref, encodeBody('queryEnd', { outcome, code: 'test', message: 'as the test wants it' }));
  }
}
