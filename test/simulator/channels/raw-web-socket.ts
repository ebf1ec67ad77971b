import { createHash, randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { closePayload, encodeClientFrame, OPCODE, ServerFrameReader, type FrameSink } from './client-frames.js';
import type { Target } from './target.js';
import type { Wire, WireEnd, WireOwner } from './wire.js';

export interface OpenOptions {
  /** A source address of the loopback network, when one address has too few ports. */
  readonly localAddress?: string;
  readonly authorization?: string;
  /** How long nothing may come before the answer to the upgrade. */
  readonly openTimeoutMs?: number;
}

/** How long the peer may take to close a connection. */
const CLOSE_TIMEOUT_MS = 5_000;
const OPEN_TIMEOUT_MS = 20_000;
const HEAD_LIMIT = 16 * 1024;
const HEAD_END = '\r\n\r\n';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// The reads of all sockets share this buffer; each is processed before the next begins.
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * One WebSocket client over `node:net` or `node:tls`.
 *
 *     connecting ──tcp/tls──▶ upgrading ──101──▶ open ──close frame──▶ closing ──▶ ended
 *         └──────────────────────┴──── refused or lost ────────────────────────────▲
 */
export class RawWebSocket implements FrameSink, Wire {
  readonly #owner: WireOwner;
  readonly #target: Target;
  readonly #socket: Socket;
  #reader: ServerFrameReader | undefined;
  #head: { key: string; text: string } | undefined;
  #end: WireEnd | undefined;
  #ended = false;

  constructor(target: Target, owner: WireOwner, options: OpenOptions = {}) {
    this.#owner = owner;
    this.#target = target;
    const onread = {
      buffer: readBuffer,
      callback: (length: number) => {
        this.#read(length);
        return true;
      },
    };
    const { host, port, secureContext, serverName } = target;
    const where = {
      host,
      port,
      onread,
      noDelay: true,
      ...(options.localAddress && { localAddress: options.localAddress }),
    };
    if (secureContext === undefined) {
      this.#socket = connectTcp(where, () => this.#upgrade(options));
    } else {
      this.#socket = connectTls({ ...where, secureContext, servername: sniName(serverName) }, () =>
        this.#upgrade(options),
      );
    }
    this.#socket.setTimeout(options.openTimeoutMs ?? OPEN_TIMEOUT_MS, () => this.#lost('no answer in time'));
    this.#socket.on('error', (error) => this.#lost(error.message));
    this.#socket.on('close', () => this.#finish());
  }

  /** Sends one binary message. Does nothing when the socket has ended. */
  send(payload: Uint8Array): void {
    this.#write(OPCODE.binary, payload);
  }

  sendPing(payload: Uint8Array): void {
    this.#write(OPCODE.ping, payload);
  }

  /** Sends a close frame, then waits for the end of the connection. */
  close(code: number, reason = ''): void {
    if (this.#end !== undefined || this.#ended) return;
    this.#end = { kind: 'closed', code, reason };
    this.#socket.setTimeout(CLOSE_TIMEOUT_MS);
    if (this.#reader !== undefined) this.#write(OPCODE.close, closePayload(code, reason));
    this.#socket.end();
  }

  /** Drops the connection without a close frame. */
  destroy(): void {
    this.#end ??= { kind: 'lost', message: 'destroyed' };
    this.#socket.destroy();
  }

  onMessage(payload: Uint8Array, binary: boolean): void {
    if (this.#end !== undefined) return;
    if (binary) this.#owner.message(payload, 0);
    else this.close(1003);
  }

  onPing(payload: Uint8Array): void {
    this.#write(OPCODE.pong, payload);
  }

  onPong(): void {
    // The read itself has counted as activity.
  }

  onClose(code: number, reason: string): void {
    this.#end ??= { kind: 'closed', code, reason };
    this.#socket.setTimeout(CLOSE_TIMEOUT_MS);
    this.#write(OPCODE.close, code === 1005 ? new Uint8Array(0) : closePayload(code));
    this.#socket.end();
  }

  onFault(code: 1002 | 1009): void {
    this.close(code);
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (!this.#ended && this.#socket.writable) this.#socket.write(encodeClientFrame(opcode, payload));
  }

  #upgrade({ authorization }: OpenOptions): void {
    const { host, port, path, subprotocol } = this.#target;
    const key = randomBytes(16).toString('base64');
    this.#head = { key, text: '' };
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n` +
        (authorization === undefined ? '' : `Authorization: Bearer ${authorization}\r\n`) +
        '\r\n',
    );
  }

  #read(length: number): void {
    if (this.#ended) return;
    this.#owner.active();
    if (this.#reader !== undefined) this.#reader.push(readBuffer.subarray(0, length));
    else this.#readHead(length);
  }

  #readHead(length: number): void {
    const head = this.#head;
    if (head === undefined) return;
    const before = head.text.length;
    head.text += readBuffer.toString('latin1', 0, length);
    const end = head.text.indexOf(HEAD_END);
    if (end < 0) {
      if (head.text.length > HEAD_LIMIT) this.#lost('the answer to the upgrade is too long');
      return;
    }
    this.#head = undefined;
    if (!this.#judge(head.text.slice(0, end), head.key)) return;
    this.#socket.setTimeout(0);
    this.#reader = new ServerFrameReader(this, this.#target.maxMessageBytes);
    this.#owner.opened();
    // The server's first frame often comes in the same segment as its 101.
    const rest = end + HEAD_END.length - before;
    if (rest < length) this.#reader.push(Buffer.from(readBuffer.subarray(rest, length)));
  }

  #judge(head: string, key: string): boolean {
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    if (status !== 101) {
      const retryAfterMs = Number(/^retry-after: *(\d+)/im.exec(head)?.[1] ?? 0) * 1000;
      this.#end = { kind: 'refused', status, retryAfterMs };
      this.#socket.destroy();
      return false;
    }
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    if (/^sec-websocket-accept: *(\S+)/im.exec(head)?.[1] === accept) return true;
    this.#lost('the answer to the upgrade has the wrong Sec-WebSocket-Accept');
    return false;
  }

  #lost(message: string): void {
    this.#end ??= { kind: 'lost', message };
    this.#socket.destroy();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.ended(this.#end ?? { kind: 'lost', message: 'the connection ended without a close frame' });
  }
}

/** SNI must not carry an address (RFC 6066 §3). */
function sniName(host: string): string {
  return /^[\d.]+$/.test(host) || host.includes(':') ? '' : host;
}
