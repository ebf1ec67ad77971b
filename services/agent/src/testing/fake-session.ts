import type { IncomingMessage } from 'node:http';
import {
  type ChallengeBody,
  type CommandBody,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  type FrameType,
  type Header,
  type HelloBody,
  type ModeBody,
  type QueryBody,
  type ReconnectBody,
  type ReportBody,
  type SessionMode,
  type WelcomeBody,
} from '@muster/protocol';
import type { WebSocket } from 'ws';

export interface ReceivedFrame {
  readonly header: Header;
  readonly body: Uint8Array;
}

/** The gateway's side of a session, over either transport. It sends only what the test asks for. */
export abstract class FakeSession {
  abstract readonly mode: SessionMode;
  /** The request that opened it. */
  readonly request: IncomingMessage;
  readonly nonce = new Uint8Array(32).fill(7);
  readonly frames: ReceivedFrame[] = [];
  readonly #waiting: ((frame: ReceivedFrame) => void)[] = [];
  #given = 0;

  constructor(request: IncomingMessage) {
    this.request = request;
  }

  /** Resolves to the close code; 1000 when the agent ended a Poll session. */
  abstract readonly closed: Promise<number>;
  abstract readonly isOpen: boolean;
  /** Sends bytes as one message. */
  abstract sendBytes(bytes: Uint8Array): void;
  /** Ends the session as a gateway does. */
  abstract end(code: number): void;

  send(type: FrameType, ref: number, body: Uint8Array): void {
    this.sendBytes(encodeFrame(type, ref, body));
  }

  challenge(body: Partial<ChallengeBody> = {}): void {
    this.send(FRAME.challenge, 0, encodeBody('challenge', { nonce: this.nonce, serverTimeMs: Date.now(), ...body }));
  }

  async hello(): Promise<HelloBody> {
    const { header, body } = await this.frame();
    const hello = decodeBody('hello', body);
    if (header.type !== FRAME.hello || !hello.ok) throw new Error('not a hello');
    return hello.body;
  }

  /** Waits for HELLO and sends WELCOME. */
  async welcome(body: Partial<WelcomeBody> = {}): Promise<HelloBody> {
    const hello = await this.hello();
    this.sendWelcome(body);
    return hello;
  }

  sendWelcome(body: Partial<WelcomeBody> = {}): void {
    const welcome = { agentId: 'a'.repeat(24), epoch: 1, heartbeatMs: 25_000, labels: {}, ...body };
    this.send(FRAME.welcome, 0, encodeBody('welcome', welcome));
  }

  reconnect(body: Partial<ReconnectBody> = {}): void {
    this.send(FRAME.reconnect, 0, encodeBody('reconnect', { afterMs: 0, spreadMs: 0, reason: 'draining', ...body }));
  }

  assignMode(body: Partial<ModeBody> & Pick<ModeBody, 'mode'>): void {
    this.send(FRAME.mode, 0, encodeBody('mode', { intervalMs: 60_000, reason: 'test', spreadMs: 0, ...body }));
  }

  query(ref: number, body: Partial<QueryBody> & Pick<QueryBody, 'sql' | 'columns'>): void {
    const whole = {
      id: `q${ref}`,
      remainingMs: 30_000,
      budget: { ms: 10_000, rows: 10_000, bytes: 4_194_304 },
      credit: 10_000_000,
      ...body,
    };
    this.send(FRAME.query, ref, encodeBody('query', whole));
  }

  command(body: CommandBody): void {
    this.send(FRAME.command, 0, encodeBody('command', body));
  }

  cancelCommand({ id, number }: Pick<CommandBody, 'id' | 'number'>): void {
    this.send(FRAME.commandCancel, 0, encodeBody('commandCancel', { id, number }));
  }

  confirmReport({ id, number }: Pick<CommandBody, 'id' | 'number'>): void {
    this.send(FRAME.reportKept, 0, encodeBody('reportKept', { id, number }));
  }

  /** The next frame, which must be a REPORT. */
  async report(): Promise<ReportBody> {
    const { header, body } = await this.frame();
    const report = decodeBody('report', body);
    if (header.type !== FRAME.report || !report.ok) throw new Error(`not a REPORT but type ${header.type}`);
    return report.body;
  }

  /** The next frame that the agent sent. */
  async frame(): Promise<ReceivedFrame> {
    const frame =
      this.frames[this.#given] ?? (await new Promise<ReceivedFrame>((resolve) => this.#waiting.push(resolve)));
    this.#given += 1;
    return frame;
  }

  /** The next frame, which must be a QUERY_END. */
  async queryEnd(): Promise<{ ref: number; outcome: string; code: string; message: string }> {
    const { header, body } = await this.frame();
    const end = decodeBody('queryEnd', body);
    if (header.type !== FRAME.queryEnd || !end.ok) throw new Error(`not a QUERY_END but type ${header.type}`);
    return { ref: header.ref, ...end.body };
  }

  /** A whole answer: the bodies of its frames. */
  async answer(): Promise<Uint8Array[]> {
    const bodies: Uint8Array[] = [];
    for (;;) {
      const { header, body } = await this.frame();
      if (header.type !== FRAME.rows) throw new Error(`not ROWS but type ${header.type}`);
      bodies.push(body);
      if (header.flags === 1) return bodies;
    }
  }

  protected received(data: Uint8Array): void {
    const header = decodeHeader(data);
    if (header === undefined) throw new Error('the agent sent no frame');
    const frame = { header, body: Uint8Array.from(frameBody(data)) };
    this.frames.push(frame);
    this.#waiting.shift()?.(frame);
  }
}

/** A session over a WebSocket. */
export class FakeLiveSession extends FakeSession {
  readonly mode = 'live';
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly pings: Buffer[] = [];

  constructor(socket: WebSocket, request: IncomingMessage) {
    super(request);
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    socket.on('error', () => {});
    socket.on('ping', (data) => this.pings.push(data));
    socket.on('message', (data: Buffer) => this.received(data));
    this.challenge();
  }

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  end(code: number): void {
    if (code === 1006) this.socket.terminate();
    else this.socket.close(code);
  }
}
