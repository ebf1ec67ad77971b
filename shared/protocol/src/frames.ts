/** The WebSocket subprotocol. Its number changes with an incompatible version. */
export const SUBPROTOCOL = 'muster.v1';
/** The header of an upgrade, or of the request that opens a poll session, with a proof ahead of the challenge. */
export const CONNECT_PROOF_HEADER = 'muster-proof';

/** Types below 0x80 travel from gateway to agent, the others from agent to gateway. */
export const FRAME = {
  challenge: 0x01,
  welcome: 0x02,
  error: 0x03,
  reconnect: 0x04,
  mode: 0x05,
  query: 0x10,
  cancel: 0x11,
  credit: 0x12,
  pack: 0x13,
  command: 0x20,
  commandCancel: 0x21,
  reportKept: 0x22,
  metrics: 0x30,
  metricsHistory: 0x31,
  hello: 0x81,
  rows: 0x90,
  queryEnd: 0x91,
  warnings: 0x92,
  packWanted: 0x93,
  progress: 0x94,
  report: 0xa0,
  keyframe: 0xb0,
  delta: 0xb1,
  history: 0xb2,
  processes: 0xb3,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Flag of ROWS and HISTORY: this frame completes the answer. */
export const FLAG_FINAL = 0x01;

export const HEADER_BYTES = 8;

/**
 * The header: type, flags, two zero bytes, and the gateway's handle of a query or of a request for history (big-endian;
 * 0 for other frames).
 */
export interface Header {
  readonly type: FrameType;
  readonly flags: number;
  readonly ref: number;
}

/** One frame: 8 bytes of header, then the body. */
export function encodeFrame(type: FrameType, ref: number, body: Uint8Array, flags = 0): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  frame[0] = type;
  frame[1] = flags;
  frame[4] = ref >>> 24;
  frame[5] = ref >>> 16;
  frame[6] = ref >>> 8;
  frame[7] = ref;
  frame.set(body, HEADER_BYTES);
  return frame;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(FRAME));
const CAN_BE_FINAL: ReadonlySet<number> = new Set([FRAME.rows, FRAME.history]);

/** The header of a frame, or `undefined` when the bytes are no frame of this protocol (the peer then closes with 1002). */
export function decodeHeader(frame: Uint8Array): Header | undefined {
  if (frame.length < HEADER_BYTES) return undefined;
  const type = frame[0] as number;
  const flags = frame[1] as number;
  if (!KNOWN.has(type) || frame[2] !== 0 || frame[3] !== 0) return undefined;
  if (flags !== 0 && !(CAN_BE_FINAL.has(type) && flags === FLAG_FINAL)) return undefined;
  const ref =
    (frame[4] as number) * 0x1000000 +
    (((frame[5] as number) << 16) | ((frame[6] as number) << 8) | (frame[7] as number));
  return { type: type as FrameType, flags, ref };
}

/** The body of a frame that {@link decodeHeader} accepted: a view, not a copy. */
export function frameBody(frame: Uint8Array): Uint8Array {
  return frame.subarray(HEADER_BYTES);
}
