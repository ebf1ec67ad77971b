import { FRAME } from '@muster/protocol';

/** What a connection to a gateway was opened for. */
export const TRAFFIC_CHANNELS = ['live', 'poll', 'enrol'] as const;
export type TrafficChannel = (typeof TRAFFIC_CHANNELS)[number];

/** What bytes are for. `transport` is all that is no frame: TCP's payload of TLS, of HTTP and of the proxy. */
export const TRAFFIC_PURPOSES = ['session', 'heartbeat', 'query', 'command', 'transport'] as const;
export type TrafficPurpose = (typeof TRAFFIC_PURPOSES)[number];

const PURPOSE_OF: Readonly<Record<keyof typeof FRAME, TrafficPurpose>> = {
  challenge: 'session',
  hello: 'session',
  welcome: 'session',
  error: 'session',
  reconnect: 'session',
  mode: 'session',
  query: 'query',
  cancel: 'query',
  credit: 'query',
  rows: 'query',
  queryEnd: 'query',
  command: 'command',
  commandCancel: 'command',
  reportKept: 'command',
  report: 'command',
};

const BY_TYPE: ReadonlyMap<number, TrafficPurpose> = new Map(
  Object.entries(PURPOSE_OF).map(([name, purpose]) => [FRAME[name as keyof typeof FRAME], purpose]),
);

/** What a frame is for; bytes that are no frame of the protocol only keep the wire busy. */
export function purposeOf(frame: Uint8Array): TrafficPurpose {
  return BY_TYPE.get(frame[0] ?? -1) ?? 'transport';
}

const MASK_BYTES = 4;

/** What a WebSocket puts before a message or a control frame that is not fragmented (RFC 6455 §5.2). */
export function webSocketHeadBytes(payloadBytes: number, masked: boolean): number {
  const length = payloadBytes < 126 ? 2 : payloadBytes < 0x1_0000 ? 4 : 10;
  return masked ? length + MASK_BYTES : length;
}
