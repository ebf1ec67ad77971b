import { signConnectProof, signHelloProof, type AgentKeys } from '@muster/identity';
import {
  CONNECT_PROOF_HEADER,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FLAG_FINAL,
  FRAME,
  frameBody,
  type AgentId,
  type AgentOutcome,
  type HelloBody,
  type WelcomeBody,
} from '@muster/protocol';

/** What a session needs of its agent. */
export interface AgentState extends Pick<HelloBody, 'facts' | 'labels' | 'capabilities' | 'instance'> {
  readonly keys: AgentKeys;
  readonly agentId: AgentId;
  readonly num: number;
  readonly token: string;
  readonly away: HelloBody['away'];
  readonly replaces: number | undefined;
  readonly flaky: boolean;
  /** The address of this machine that it connects from. */
  readonly from: string | undefined;
  /** Whether its requests to connect prove its key. */
  readonly proves: boolean;
  readonly ca: string | undefined;
}

export interface ReceivedFrame {
  readonly type: number;
  readonly ref: number;
  readonly body: Uint8Array;
}

/** The headers of a request to connect. */
export function connectHeaders({ keys, agentId, token, proves }: AgentState): Record<string, string> {
  const proof = signConnectProof(keys.privateKey, { agentId, token, timestampMs: Date.now() });
  return { authorization: `Bearer ${token}`, ...(proves ? { [CONNECT_PROOF_HEADER]: proof } : {}) };
}

/** A session that a test drives, over either channel. */
export abstract class TestSession {
  readonly agent: AgentState;
  /** The code that it was closed with. */
  readonly closed: Promise<number>;
  epoch = 0;
  welcome: WelcomeBody | undefined;
  /** The types of all frames that came, in order. */
  readonly types: number[] = [];
  readonly #frames: ReceivedFrame[] = [];
  #wake: () => void = () => undefined;
  #closeCode: number | undefined;
  #settle: (code: number) => void = () => undefined;

  constructor(agent: AgentState) {
    this.agent = agent;
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Sends these bytes as one frame, whatever they are. */
  abstract sendBytes(bytes: Uint8Array): void;

  /** Ends it in order. */
  abstract close(): void;

  /** Ends it as abruptly as the channel can. */
  abstract cut(): void;

  get isOpen(): boolean {
    return this.#closeCode === undefined;
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
    const { agentId, keys, facts, labels, capabilities, instance, away, replaces } = this.agent;
    const proof = new Uint8Array(signHelloProof(keys.privateKey, { agentId, nonce: challenge.body.nonce, token }));
    const optional = { ...(away === undefined ? {} : { away }), ...(replaces === undefined ? {} : { replaces }) };
    return encodeBody('hello', { facts, labels: { ...labels }, capabilities, instance, proof, ...optional });
  }

  send(type: (typeof FRAME)[keyof typeof FRAME], ref: number, body: Uint8Array, flags = 0): void {
    this.sendBytes(encodeFrame(type, ref, body, flags));
  }

  answer(ref: number, rows: Uint8Array): void {
    this.send(FRAME.rows, ref, rows, FLAG_FINAL);
  }

  fail(ref: number, outcome: AgentOutcome): void {
    this.send(FRAME.queryEnd, ref, encodeBody('queryEnd', { outcome, code: 'test', message: 'as the test wants it' }));
  }

  protected received(frame: Uint8Array): void {
    const header = decodeHeader(frame);
    if (header === undefined) throw new Error('the gateway sent no frame');
    this.types.push(header.type);
    this.#frames.push({ type: header.type, ref: header.ref, body: frameBody(frame) });
    this.#wake();
  }

  protected ended(code: number): void {
    this.#closeCode ??= code;
    this.#wake();
    this.#settle(code);
  }
}
