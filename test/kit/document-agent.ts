import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  agentIdFromPublicKey,
  exportAgentKeys,
  generateAgentKeys,
  signEnrollProof,
  signHelloProof,
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
  type CommandBody,
  type Facts,
  type ReportBody,
  type SessionMode,
} from '@muster/protocol';
import { WebSocket } from 'ws';
import { PollPeer } from '../conformance/poll-peer.js';

const FACTS: Facts = {
  ...{ host: 'by-the-book', os: 'linux', arch: 'x64' },
  ...{ osName: 'Debian', osVersion: '12', agentVersion: '0' },
};
const POLL_MS = 20;

/** One session of a {@link DocumentAgent}, ready since WELCOME. */
export interface DocumentSession {
  /** Handles of the queries that were asked, in sequence. */
  readonly refs: readonly number[];
  readonly wasAskedToMove: boolean;
  /** How its WebSocket was closed. */
  readonly closeCode: number | undefined;
  /** Called for each QUERY. */
  onQuery: (ref: number) => void;
  /** Called for each COMMAND. */
  onCommand: (command: CommandBody) => void;
  report(report: ReportBody): void;
  answer(ref: number, rows: Uint8Array): void;
  /** Ends it in order: close with 1000, or DELETE. */
  leave(): void;
}

/** An agent that does what docs/protocol.md says, and nothing that it does not say. A test decides when it moves and what it answers. */
export class DocumentAgent {
  readonly #keys = generateAgentKeys();
  readonly #x = exportAgentKeys(this.#keys).x;
  readonly agentId = agentIdFromPublicKey(this.#x);
  readonly #instance = randomBytes(16);
  readonly #capabilities: string[];
  #token = '';
  #epoch: number | undefined;

  constructor(capabilities: readonly string[] = ['query']) {
    this.#capabilities = [...capabilities];
  }

  /** `url`: host and port. */
  async enrol(url: string, org: string, secret: string): Promise<void> {
    const timestampMs = Date.now();
    const proof = signEnrollProof(this.#keys.privateKey, { org: org as never, publicKeyX: this.#x, timestampMs });
    const response = await fetch(`http://${url}/v1/enroll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      body: JSON.stringify({ org, publicKey: this.#x, timestampMs, proof, facts: FACTS }),
    });
    if (!response.ok) throw new Error(`enrolment was answered with ${response.status}`);
    this.#token = ((await response.json()) as { token: string }).token;
  }

  /** Opens a session; resolves with WELCOME. A poll that fails without an answer is repeated at one of the other gateways. */
  async open(url: string, channel: SessionMode, ...others: readonly string[]): Promise<DocumentSession> {
    const session = channel === 'live' ? await this.#live(url) : await this.#poll([url, ...others]);
    this.#epoch = await session.ready;
    return session;
  }

  readonly #hello = (nonce: Uint8Array): Uint8Array => {
    const { agentId } = this;
    const proof = new Uint8Array(signHelloProof(this.#keys.privateKey, { agentId, nonce, token: this.#token }));
    const replaces = this.#epoch === undefined ? {} : { replaces: this.#epoch };
    const [capabilities, instance] = [this.#capabilities, this.#instance];
    const body = { facts: FACTS, labels: {}, capabilities, instance, proof, ...replaces };
    return encodeFrame(FRAME.hello, 0, encodeBody('hello', body));
  };

  async #live(url: string): Promise<Session> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const socket = new WebSocket(`ws://${url}/v1/live`, SUBPROTOCOL, { headers });
    socket.on('error', () => undefined);
    const session = new Session(this.#hello, {
      send: (frame) => socket.send(frame),
      leave: () => socket.close(1_000),
    });
    socket.on('message', (data: Buffer) => session.received(data));
    socket.on('close', (code: number) => (session.closeCode = code));
    await once(socket, 'open');
    return session;
  }

  async #poll(urls: readonly string[]): Promise<Session> {
    const peers = new PollPeers(urls);
    const outbox: Uint8Array[] = [];
    let have: number | undefined;
    let isLeaving = false;
    const session = new Session(this.#hello, {
      send: (frame) => void outbox.push(frame),
      leave: () => (isLeaving = true),
    });
    const take = ({ headers, frames }: Awaited<ReturnType<PollPeer['get']>>): void => {
      const brought = /^"(\d+)"$/.exec(headers.etag ?? '')?.[1];
      if (brought !== undefined) have = Number(brought);
      for (const { frame } of frames) session.received(frame);
    };
    const come = async (): Promise<void> => {
      for (let sequence = 1; !isLeaving;) {
        const frames = outbox.splice(0);
        const number = frames.length > 0 ? sequence++ : 0;
        const answer = await peers.ask((peer) => (number > 0 ? peer.post(number, frames, have) : peer.get(have)));
        if (answer.status >= 400) break;
        take(answer);
        if (outbox.length === 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      if (isLeaving) await peers.ask((peer) => peer.leave());
      peers.stop();
    };
    take(await peers.open(this.#token));
    void come().catch(() => peers.stop());
    return session;
  }
}

type Ask<T> = (peer: PollPeer) => Promise<T>;
const REPEATS = 200;

/** The gateways that an agent may poll at. */
class PollPeers {
  readonly #peers: readonly PollPeer[];
  #at = 0;

  constructor(urls: readonly string[]) {
    this.#peers = urls.map((url) => new PollPeer({ port: Number(url.split(':')[1]) }));
  }

  async open(token: string): Promise<Awaited<ReturnType<PollPeer['open']>>> {
    const answer = await this.ask((peer) => peer.open(token));
    const name = this.#peers[this.#at]?.session ?? '';
    for (const peer of this.#peers) peer.session = name;
    return answer;
  }

  async ask<T>(ask: Ask<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await ask(this.#peers[this.#at] as PollPeer);
      } catch (error) {
        if (failures === REPEATS) throw error;
        this.#at = (this.#at + 1) % this.#peers.length;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  }

  stop(): void {
    for (const peer of this.#peers) peer.stop();
  }
}

interface Channel {
  send(frame: Uint8Array): void;
  leave(): void;
}

class Session implements DocumentSession {
  readonly refs: number[] = [];
  /** Resolves with the epoch of WELCOME. */
  readonly ready: Promise<number>;
  wasAskedToMove = false;
  closeCode: number | undefined;
  onQuery: (ref: number) => void = () => undefined;
  onCommand: (command: CommandBody) => void = () => undefined;
  readonly #channel: Channel;
  readonly #hello: (nonce: Uint8Array) => Uint8Array;
  #welcomed: (epoch: number) => void = () => undefined;

  constructor(hello: (nonce: Uint8Array) => Uint8Array, channel: Channel) {
    this.#hello = hello;
    this.#channel = channel;
    this.ready = new Promise((resolve) => (this.#welcomed = resolve));
  }

  answer(ref: number, rows: Uint8Array): void {
    this.#channel.send(encodeFrame(FRAME.rows, ref, rows, FLAG_FINAL));
  }

  report(report: ReportBody): void {
    this.#channel.send(encodeFrame(FRAME.report, 0, encodeBody('report', report)));
  }

  leave(): void {
    this.#channel.leave();
  }

  received(frame: Uint8Array): void {
    const header = decodeHeader(frame);
    const body = frameBody(frame);
    if (header?.type === FRAME.challenge) {
      const challenge = decodeBody('challenge', body);
      if (challenge.ok) this.#channel.send(this.#hello(challenge.body.nonce));
    } else if (header?.type === FRAME.welcome) {
      const welcome = decodeBody('welcome', body);
      if (welcome.ok) this.#welcomed(welcome.body.epoch);
    } else if (header?.type === FRAME.reconnect) this.wasAskedToMove = true;
    else if (header?.type === FRAME.query) {
      this.refs.push(header.ref);
      this.onQuery(header.ref);
    } else if (header?.type === FRAME.command) {
      const command = decodeBody('command', body);
      if (command.ok) this.onCommand(command.body);
    }
  }
}
