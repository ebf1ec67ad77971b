import type { HttpReply } from '../http/http-message.js';
import { problemReply } from '../http/replies.js';

/** What a request says about an upgrade; '' where it says nothing. */
export interface HandshakeHead {
  readonly method: string;
  readonly upgrade: string;
  readonly connection: string;
  readonly version: string;
  readonly key: string;
}

/** Sixteen bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** RFC 6455 §4.4: an unsupported version is answered with the one that is. */
const OTHER_VERSION = problemReply('upgrade_required', 'Sec-WebSocket-Version must be 13', {
  'sec-websocket-version': '13',
});
const NO_GET = problemReply('method_not_allowed', 'a WebSocket is opened with GET', { allow: 'GET' });
const NO_KEY = problemReply('bad_request', 'Sec-WebSocket-Key must be 16 bytes in base64');

/** Whether a request asks for a WebSocket at all. One with both headers does, however wrong the rest. */
export function asksForWebSocket({ upgrade, connection }: HandshakeHead): boolean {
  return hasToken(upgrade, 'websocket') && hasToken(connection, 'upgrade');
}

/** The reply to an opening handshake that is wrong (RFC 6455 §4.2.1). */
export function refuseHandshake({ method, version, key }: HandshakeHead): HttpReply | undefined {
  if (method !== 'GET') return NO_GET;
  if (version !== '13') return OTHER_VERSION;
  return KEY.test(key) ? undefined : NO_KEY;
}

function hasToken(list: string, token: string): boolean {
  return list.split(',').some((one) => one.trim().toLowerCase() === token);
}
