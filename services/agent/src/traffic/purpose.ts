import {
  purposeOfFrame,
  TRAFFIC_PURPOSES as FRAME_PURPOSES,
  type TrafficPurpose as FramePurpose,
} from '@muster/protocol';

/** What a connection to a gateway was opened for. */
export const TRAFFIC_CHANNELS = ['live', 'poll', 'enrol'] as const;
export type TrafficChannel = (typeof TRAFFIC_CHANNELS)[number];

/** What bytes are for. `transport` is all that is no frame: TCP's payload of TLS, of HTTP and of the proxy. */
export type TrafficPurpose = FramePurpose | 'transport';
export const TRAFFIC_PURPOSES: readonly TrafficPurpose[] = [...FRAME_PURPOSES, 'transport'];

/** What a frame is for. */
export function purposeOf(frame: Uint8Array): FramePurpose {
  return purposeOfFrame(frame[0] ?? 0);
}

const MASK_BYTES = 4;

/** What a WebSocket puts before a message or a control frame that is not fragmented (RFC 6455 §5.2). */
export function webSocketHeadBytes(payloadBytes: number, masked: boolean): number {
  const length = payloadBytes < 126 ? 2 : payloadBytes < 0x1_0000 ? 4 : 10;
  return masked ? length + MASK_BYTES : length;
}
