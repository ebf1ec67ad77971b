import { problemReply } from '../admission/replies.js';
import type { HttpReply } from './transport.js';

/** What a transport answers by itself, before or instead of its handlers: problem documents like everything else that is refused. */
export const TOO_LARGE: HttpReply = problemReply('too_large', 'the body is over the limit', { connection: 'close' });
export const FAILED: HttpReply = problemReply('internal', 'the gateway failed');
/** RFC 6455 §4.4: an unsupported version is answered with the one that is. */
export const OTHER_VERSION: HttpReply = problemReply('upgrade_required', 'Sec-WebSocket-Version must be 13', {
  'sec-websocket-version': '13',
});
