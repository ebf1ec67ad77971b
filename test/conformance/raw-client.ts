import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Wire {
  readonly port: number;
  /** PEM of the authority, for TLS. */
  readonly ca?: string;
}

export interface ServerFrame {
  readonly first: number;
  readonly second: number;
  readonly payload: Buffer;
}

/** How a connection ended: the status of the close frame (1005: without a status), or `dropped` without a close frame. */
export type Ending = number | 'dropped';

/** A client that sends only the bytes that it is given, and keeps all that it receives. */
export class RawClient {
  readonly socket: Socket;
  /** Settles with the close frame, or with the end of TCP. */
  readonly ended: Promise<Ending>;
  readonly frames: ServerFrame[] = [];
  #bytes = Buffer.alloc(0);
  #inFrames = false;
  #isOver = false;
  #waiters: (() => void)[] = [];

  constructor({ port, ca }: Wire) {
    const where = { port, host: '127.0.0.1', allowHalfOpen: true };
    this.socket = ca === undefined ? connectTcp(where) : connectTls({ ...where, ca, servername: 'localhost' });
    this.socket.setNoDelay(true);
    this.socket.on('error', () => undefined);
    let settle: (ending: Ending) => void = () => undefined;
    this.ended = new Promise((resolve) => (settle = resolve));
    this.socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      if (this.#inFrames) this.#readFrames();
      if (this.closeStatus !== undefined) settle(this.closeStatus);
      this.#wake();
    });
    const end = (): void => {
      this.#isOver = true;
      this.#wake();
      settle(this.closeStatus ?? 'dropped');
    };
    this.socket.on('end', end);
    this.socket.on('close', end);
  }

  /** Whether the gateway has ended its side of TCP. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The status of the first close frame, if one came. */
  get closeStatus(): number | undefined {
    const close = this.frames.find(({ first }) => first === 0x88);
    if (close === undefined) return undefined;
    return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE();
  }

  send(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Sends the head of a request. Resolves with the head of the response. After a 101, frames follow. */
  async request(lines: readonly string[], start = 'GET /v1/live HTTP/1.1'): Promise<{ status: number; head: string }> {
    this.send(Buffer.from([start, ...lines, '', ''].join('\r\n')));
    let end = -1;
    await this.until(() => (end = this.#bytes.indexOf('\r\n\r\n')) >= 0);
    const head = this.#bytes.subarray(0, end).toString('latin1');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    this.#bytes = this.#bytes.subarray(end + 4);
    if (status === 101) {
      this.#inFrames = true;
      this.#readFrames();
    }
    return { status, head };
  }

  /** Upgrades. Throws when the gateway refuses. */
  async upgrade(token: string): Promise<void> {
    const { status, head } = await this.request(upgradeLines({ authorization: `Bearer ${token}` }));
    if (status !== 101) throw new Error(`not upgraded: ${head}`);
  }

  /** The n-th frame with this first byte, as soon as it has arrived. */
  async frame(first: number, n = 0): Promise<ServerFrame> {
    const found = (): ServerFrame | undefined => this.frames.filter((one) => one.first === first)[n];
    await this.until(() => found() !== undefined);
    return found() as ServerFrame;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#isOver) throw new Error(`the connection ended first (${this.closeStatus ?? 'dropped'})`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #readFrames(): void {
    for (;;) {
      const [first, second] = this.#bytes;
      if (first === undefined || second === undefined) return;
      const code = second & 0x7f;
      const head = code < 126 ? 2 : code === 126 ? 4 : 10;
      if (this.#bytes.length < head) return;
      const length = code < 126 ? code : code === 126 ? this.#bytes.readUInt16BE(2) : this.#bytes.readUInt32BE(6);
      if (this.#bytes.length < head + length) return;
      this.frames.push({ first, second, payload: Buffer.from(this.#bytes.subarray(head, head + length)) });
      this.#bytes = this.#bytes.subarray(head + length);
    }
  }
}

/** The header lines of a valid upgrade, with changes; `undefined` omits a header. */
export function upgradeLines(change: Readonly<Record<string, string | undefined>> = {}): string[] {
  const headers: Record<string, string | undefined> = {
    host: 'localhost',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': 'muster.v1',
    ...change,
  };
  return Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
}
