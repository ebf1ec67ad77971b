import { randomBytes } from 'node:crypto';

/** The parts of one frame (RFC 6455 §5.2). Each may be invalid. */
export interface FrameParts {
  readonly fin?: boolean;
  /** The three reserved bits, as in the first byte. */
  readonly rsv?: number;
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Default: masked with a fresh key. */
  readonly masked?: boolean;
  /** Default: the shortest. */
  readonly lengthForm?: 'short' | 'medium' | 'long';
  /** The length in the header, when it differs from the payload's. */
  readonly statedLength?: bigint;
}

export const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const NO_BYTES = new Uint8Array(0);

export function frame(parts: FrameParts): Buffer {
  const { fin = true, rsv = 0, opcode, payload = NO_BYTES, masked = true } = parts;
  const length = parts.statedLength ?? BigInt(payload.length);
  const form = parts.lengthForm ?? (length < 126n ? 'short' : length < 65_536n ? 'medium' : 'long');
  const code = form === 'short' ? Number(length) : form === 'medium' ? 126 : 127;
  const head = Buffer.from([(fin ? 0x80 : 0) | rsv | opcode, (masked ? 0x80 : 0) | code]);
  const extended = Buffer.alloc(form === 'short' ? 0 : form === 'medium' ? 2 : 8);
  if (form === 'medium') extended.writeUInt16BE(Number(length));
  if (form === 'long') extended.writeBigUInt64BE(length);
  if (!masked) return Buffer.concat([head, extended, payload]);
  const key = randomBytes(4);
  const hidden = Buffer.from(payload.map((byte, i) => byte ^ (key[i % 4] ?? 0)));
  return Buffer.concat([head, extended, key, hidden]);
}

/** A fragmented message, with the bytes of `between` after each fragment but the last. */
export function fragments(
  opcode: number,
  pieces: readonly Uint8Array[],
  between: (i: number) => Uint8Array = () => NO_BYTES,
): Buffer {
  const last = pieces.length - 1;
  return Buffer.concat(
    pieces.flatMap((payload, i) => [
      frame({ opcode: i === 0 ? opcode : OP.continuation, fin: i === last, payload }),
      i === last ? NO_BYTES : between(i),
    ]),
  );
}

export function closing(code: number, reason: string | Uint8Array = ''): Buffer {
  const status = Buffer.alloc(2);
  status.writeUInt16BE(code);
  return Buffer.concat([status, typeof reason === 'string' ? Buffer.from(reason) : reason]);
}
