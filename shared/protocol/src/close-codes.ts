/**
 * WebSocket close codes as data. 4000–4499 mean that the agent reconnects, with backoff; 4500–4999 that it stays away until something has
 * changed. Standard codes are RFC 6455 §7.4.1.
 */
export const CLOSE = {
  normal: { code: 1000, reconnect: true, meaning: 'orderly end' },
  goingAway: { code: 1001, reconnect: true, meaning: 'the gateway stops; come back, another one answers' },
  protocolError: { code: 1002, reconnect: true, meaning: 'bytes that are no valid frame of this protocol' },
  unsupportedData: { code: 1003, reconnect: true, meaning: 'a text message; only binary ones carry frames' },
  tooBig: { code: 1009, reconnect: true, meaning: 'a message over the frame limit' },
  internalError: { code: 1011, reconnect: true, meaning: 'the gateway failed' },
  draining: { code: 4000, reconnect: true, meaning: 'the gateway is being drained' },
  sessionAge: {
    code: 4001,
    reconnect: true,
    meaning: 'the session reached its maximum age; spread load by coming back',
  },
  helloTimeout: { code: 4002, reconnect: true, meaning: 'no valid hello before the deadline' },
  overloaded: { code: 4003, reconnect: true, meaning: 'the gateway sheds load' },
  fenced: { code: 4004, reconnect: true, meaning: 'the gateway lost its lease and gave up its sessions' },
  slowConsumer: { code: 4005, reconnect: true, meaning: 'the agent did not read what was sent' },
  silent: { code: 4006, reconnect: true, meaning: 'nothing heard within the heartbeat limit' },
  unauthenticated: {
    code: 4500,
    reconnect: false,
    meaning: 'the proof in the hello does not match the token or the challenge',
  },
  revoked: { code: 4501, reconnect: false, meaning: 'the agent was revoked' },
  superseded: { code: 4502, reconnect: false, meaning: 'a newer session of the same agent took over' },
  duplicateIdentity: { code: 4503, reconnect: false, meaning: 'another machine holds a session with this identity' },
  helloInvalid: { code: 4504, reconnect: false, meaning: 'the hello does not fit its schema' },
  helloTooBig: { code: 4505, reconnect: false, meaning: 'too many bytes before authentication' },
} as const;

export type CloseReason = keyof typeof CLOSE;

/** Whether an agent reconnects by itself after this close code. True for unknown codes outside 4500–4999. */
export function shouldReconnect(code: number): boolean {
  return code < 4500 || code > 4999;
}

/** The name of a close code of this protocol, for logs. */
export function closeReasonOf(code: number): CloseReason | undefined {
  for (const [reason, entry] of Object.entries(CLOSE)) if (entry.code === code) return reason as CloseReason;
  return undefined;
}
