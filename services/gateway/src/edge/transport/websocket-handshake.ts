import type { HttpReply } from '../http/http-message.js';
import { problemReply } from '../http/replies.js';
import type { RequestHead } from '../http/request-head.js';

/** Sixteen bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** RFC 6455 §4.4: an unsupported version is answered with the one that is. */
const OTHER_VERSION = problemReply('upgrade_required', 'Sec-WebSocket-Version must be 13', {
  'sec-websocket-version': '13',
});
const NO_GET = problemReply('method_not_allowed', 'a WebSocket is opened with GET', { allow: 'GET' });
const NO_KEY = problemReply('bad_request', 'Sec-WebSocket-Key must be 16 bytes in base64');
const NO_BODY = problemReply('bad_request', 'a request to open a WebSocket has no body', { connection: 'close' });

/** Whether a request asks for a WebSocket at all. One with both headers does, however wrong the rest. */
export function asksForWebSocket(head: RequestHead): boolean {
  return hasToken(head.get('upgrade'), 'websocket') && hasToken(head.get('connection'), 'upgrade');
}

/** The reply to an opening handshake that is wrong (RFC 6455 §4.2.1). What follows it would be frames to one and a body to another. */
export function refuseHandshake(method: string, head: RequestHead): HttpReply | undefined {
  if (method !== 'GET') return NO_GET;
  if (head.hasBody) return NO_BODY;
  if (head.get('sec-websocket-version') !== '13') return OTHER_VERSION;
  return KEY.test(head.get('sec-websocket-key') ?? '') ? undefined : NO_KEY;
}

function hasToken(list: string | undefined, token: string): boolean {
  return (list ?? '').split(',').some((one) => one.trim().toLowerCase() === token);
}
