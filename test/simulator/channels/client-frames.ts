import { randomFillSync } from 'node:crypto';

/** RFC 6455 framing, client side, for twenty thousand connections in one process. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
const MASKED = 0x80;
const KEY_BYTES = 4;

// Fresh unpredictable keys (RFC 6455 §5.3, §10.3) at the cost of one call into OpenSSL for 4096 of them.
const keys = new Uint8Array(KEY_BYTES * 4096);
let nextKey = keys.length;

/** One whole, final, masked message or control frame in one buffer. */
export function encodeClientFrame(opcode: number, payload: Uint8Array): Buffer {
  const length = payload.length;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + lengthBytes + KEY_BYTES + length);
  frame[0] = FIN | opcode;
  if (lengthBytes === 0) frame[1] = MASKED | length;
  else if (lengthBytes === 2) {
    frame[1] = MASKED | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = MASKED | 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
  mask(frame, 2 + lengthBytes, payload);
  return frame;
}

function mask(frame: Buffer, keyAt: number, payload: Uint8Array): void {
  if (nextKey === keys.length) {
    randomFillSync(keys);
    nextKey = 0;
  }
  const k0 = keys[nextKey] as number;
  const k1 = keys[nextKey + 1] as number;
  const k2 = keys[nextKey + 2] as number;
  const k3 = keys[nextKey + 3] as number;
  nextKey += KEY_BYTES;
  frame[keyAt] = k0;
  frame[keyAt + 1] = k1;
  frame[keyAt + 2] = k2;
  frame[keyAt + 3] = k3;
  const at = keyAt + KEY_BYTES;
  const { length } = payload;
  let i = 0;
  for (const whole = length - 3; i < whole; i += 4) {
    frame[at + i] = (payload[i] as number) ^ k0;
    frame[at + i + 1] = (payload[i + 1] as number) ^ k1;
    frame[at + i + 2] = (payload[i + 2] as number) ^ k2;
    frame[at + i + 3] = (payload[i + 3] as number) ^ k3;
  }
  if (i < length) frame[at + i] = (payload[i] as number) ^ k0;
  if (i + 1 < length) frame[at + i + 1] = (payload[i + 1] as number) ^ k1;
  if (i + 2 < length) frame[at + i + 2] = (payload[i + 2] as number) ^ k2;
}

/** What the reader of server frames reports. Payloads are views that are valid only during the call. */
export interface FrameSink {
  onMessage(payload: Uint8Array, binary: boolean): void;
  onPing(payload: Uint8Array): void;
  onPong(): void;
  onClose(code: number, reason: string): void;
  /** The peer violated the protocol; nothing more is read. `status`: the close code to send. */
  onFault(code: 1002 | 1009): void;
}

const NO_STATUS = 1005;

/**
 * Reads server frames from a stream of pieces. Between pieces it keeps only an incomplete frame, so an idle connection costs the object
 * and two empty fields. A masked frame, reserved bits, and fragmented or long control frames are protocol errors.
 */
export class ServerFrameReader {
  #rest: Buffer | undefined;
  #fragments: Buffer[] | undefined;
  #fragmentsBinary = false;
  #dead = false;
  readonly #sink: FrameSink;
  readonly #maxBytes: number;

  constructor(sink: FrameSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  push(piece: Uint8Array): void {
    let bytes = piece;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, piece]);
      this.#rest = undefined;
    }
    let at = 0;
    while (!this.#dead) {
      const next = this.#frame(bytes, at);
      if (next === at) break;
      at = next;
    }
    if (!this.#dead && at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** Reads one frame at `at`. Returns the offset after it, or `at` when it is incomplete. */
  #frame(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (available < 2) return at;
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if ((first & 0x70) !== 0 || (second & MASKED) !== 0) return this.#fault(1002, at);
    let length = second & 0x7f;
    let head = 2;
    if (length === 126) {
      if (available < 4) return at;
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      head = 4;
    } else if (length === 127) {
      if (available < 10) return at;
      const view = new DataView(bytes.buffer, bytes.byteOffset + at + 2, 8);
      length = view.getUint32(0) > 0 ? Number.MAX_SAFE_INTEGER : view.getUint32(4);
      head = 10;
    }
    if (length > this.#maxBytes) return this.#fault(1009, at);
    if (available < head + length) return at;
    const payload = bytes.subarray(at + head, at + head + length);
    this.#handle(first & 0x0f, (first & FIN) !== 0, payload);
    return at + head + length;
  }

  #handle(opcode: number, fin: boolean, payload: Uint8Array): void {
    if (opcode >= 8) {
      if (!fin || payload.length > 125) this.#fault(1002, 0);
      else this.#control(opcode, payload);
      return;
    }
    const continues = opcode === OPCODE.continuation;
    if (continues !== (this.#fragments !== undefined) || opcode > OPCODE.binary) {
      this.#fault(1002, 0);
      return;
    }
    if (fin && !continues) {
      this.#sink.onMessage(payload, opcode === OPCODE.binary);
      return;
    }
    if (!continues) this.#fragmentsBinary = opcode === OPCODE.binary;
    this.#collect(payload, fin);
  }

  #collect(payload: Uint8Array, fin: boolean): void {
    const fragments = (this.#fragments ??= []);
    fragments.push(Buffer.from(payload));
    const total = fragments.reduce((sum, one) => sum + one.length, 0);
    if (total > this.#maxBytes) {
      this.#fault(1009, 0);
      return;
    }
    if (!fin) return;
    this.#fragments = undefined;
    this.#sink.onMessage(Buffer.concat(fragments), this.#fragmentsBinary);
  }

  #control(opcode: number, payload: Uint8Array): void {
    switch (opcode) {
      case OPCODE.ping:
        this.#sink.onPing(payload);
        return;
      case OPCODE.pong:
        this.#sink.onPong();
        return;
      case OPCODE.close: {
        this.#dead = true;
        if (payload.length < 2) this.#sink.onClose(NO_STATUS, '');
        else {
          const code = ((payload[0] as number) << 8) | (payload[1] as number);
          this.#sink.onClose(code, Buffer.from(payload.subarray(2)).toString('utf8'));
        }
        return;
      }
      default:
        this.#fault(1002, 0);
    }
  }

  #fault(code: 1002 | 1009, at: number): number {
    this.#dead = true;
    this.#rest = undefined;
    this.#sink.onFault(code);
    return at;
  }
}

/** The payload of a close frame. */
export function closePayload(code: number, reason = ''): Buffer {
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}
