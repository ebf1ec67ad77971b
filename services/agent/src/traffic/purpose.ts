import {
  purposeOfFrame,
  TRAFFIC_PURPOSES as FRAME_PURPOSES,
  type TrafficPurpose as FramePurpose,
} from '@muster/protocol';

/** What a connection to a gateway is used for. */
export const TRAFFIC_CHANNELS = ['live', 'poll', 'enrol'] as const;
export type TrafficChannel = (typeof TRAFFIC_CHANNELS)[number];

/** The purpose of bytes. `transport` is everything that is not a frame: the bytes of TLS, HTTP and the proxy. */
export type TrafficPurpose = FramePurpose | 'transport';
export const TRAFFIC_PURPOSES: readonly TrafficPurpose[] = [...FRAME_PURPOSES, 'transport'];

/** The purpose of a frame. */
export function purposeOf(frame: Uint8Array): FramePurpose {
  return purposeOfFrame(frame[0] ?? 0);
}

const MASK_BYTES = 4;

/** The bytes of the WebSocket header of an unfragmented message or control frame (RFC 6455 §5.2). */
export function webSocketHeadBytes(payloadBytes: number, masked: boolean): number {
  const length = payloadBytes < 126 ? 2 : payloadBytes < 0x1_0000 ? 4 : 10;
  return masked ? length + MASK_BYTES : length;
}
