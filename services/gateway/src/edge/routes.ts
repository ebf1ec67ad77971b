import { LIMITS, POLL_SESSION_HEADER, SUBPROTOCOL } from '@muster/protocol';
import { LIVE_PATH } from '../sessions/admission/admission-control.js';
import { ENROLL_PATH } from './enrolment.js';
import { jsonReply, problemReply } from './transport/replies.js';
import { POLL_PATH } from './poll/poll-handler.js';
import type { SessionNames } from './poll/session-names.js';
import type { HttpReply, HttpRequest } from './transport/transport.js';

type Handle = (request: HttpRequest) => Promise<HttpReply>;

export interface HttpParts {
  readonly enrol: Handle;
  readonly poll: Handle;
  readonly ready: () => boolean;
}

const USUAL_BODY_BYTES = 64 * 1024;
/** Enough to say what is wrong with the request, which should have none. */
const STRANGERS_BODY_BYTES = 1024;

/** The largest body that a request may have: a batch is only for those who have a session. */
export function bodyBytesOf(
  { path, headers }: Pick<HttpRequest, 'path' | 'headers'>,
  names: Pick<SessionNames, 'gatewayOf'>,
): number {
  if (path !== POLL_PATH) return USUAL_BODY_BYTES;
  const session = headers[POLL_SESSION_HEADER];
  return session !== undefined && names.gatewayOf(session) !== undefined ? LIMITS.pollBodyBytes : STRANGERS_BODY_BYTES;
}

/** Every request that is no upgrade. The health paths are for load balancers, which look at the port that they send traffic to. */
export async function routeHttp(request: HttpRequest, { enrol, poll, ready }: HttpParts): Promise<HttpReply> {
  switch (request.path) {
    case ENROLL_PATH:
      return enrol(request);
    case POLL_PATH:
      return poll(request);
    case '/healthz':
      return jsonReply(200, { alive: true });
    case '/readyz':
      return jsonReply(ready() ? 200 : 503, { ready: ready() });
    case LIVE_PATH:
      return problemReply('upgrade_required', 'this path takes WebSocket upgrades only', {
        upgrade: 'websocket',
        'sec-websocket-protocol': SUBPROTOCOL,
      });
    default:
      return problemReply('not_found', 'no such path on the gateway');
  }
}
