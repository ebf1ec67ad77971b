import { problemReply } from './replies.js';
import type { HttpReply } from './transport.js';

/** What a transport answers by itself, before or instead of its handlers: problem documents like everything else that is refused. */
export const TOO_LARGE: HttpReply = problemReply('too_large', 'the body is over the limit', { connection: 'close' });
export const FAILED: HttpReply = problemReply('internal', 'the gateway failed');
export const OTHER_UPGRADE: HttpReply = problemReply('upgrade_required', 'the only upgrade here is to websocket', {
  upgrade: 'websocket',
});
