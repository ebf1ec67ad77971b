import { LIMITS, POLL_SESSION_HEADER } from '@muster/protocol';
import { ENROLL_PATH } from './enrolment.js';
import { lastReply } from './http/denials.js';
import type { HttpReply, HttpRequest } from './http/http-message.js';
import { jsonReply, problemReply } from './http/replies.js';
import { LIVE_PATH, upgradeReply } from './live-upgrade.js';
import { POLL_PATH } from './poll/poll-handler.js';
import type { SessionNames } from './poll/session-names.js';

interface RequestHandler {
  handle(request: HttpRequest): Promise<HttpReply>;
}

export interface Routes {
  readonly enrolment: RequestHandler;
  readonly polls: RequestHandler;
  readonly ready: () => boolean;
  /** From then on connections that are kept between requests end, because this gateway goes. */
  readonly draining: () => boolean;
}

const USUAL_BODY_BYTES = 64 * 1024;
/** For polls without a session, which should have no body: enough to read one and refuse it properly. */
const NO_SESSION_BODY_BYTES = 1024;

/** The largest body that a request may have. Only a poll in a session may have a large one. */
export function bodyBytesOf(
  { path, headers }: Pick<HttpRequest, 'path' | 'headers'>,
  names: Pick<SessionNames, 'gatewayOf'>,
): number {
  if (path !== POLL_PATH) return USUAL_BODY_BYTES;
  const session = headers[POLL_SESSION_HEADER];
  return session !== undefined && names.gatewayOf(session) !== undefined ? LIMITS.pollBodyBytes : NO_SESSION_BODY_BYTES;
}

/** Answers every request that is no upgrade. The health paths are for load balancers, which check the port that they send traffic to. */
export async function routeHttp(request: HttpRequest, routes: Routes): Promise<HttpReply> {
  const reply = await answer(request, routes);
  return routes.draining() ? lastReply(reply) : reply;
}

async function answer(request: HttpRequest, { enrolment, polls, ready }: Routes): Promise<HttpReply> {
  switch (request.path) {
    case ENROLL_PATH:
      return enrolment.handle(request);
    case POLL_PATH:
      return polls.handle(request);
    case '/healthz':
      return jsonReply(200, { alive: true });
    case '/readyz':
      return jsonReply(ready() ? 200 : 503, { ready: ready() });
    case LIVE_PATH:
      return upgradeReply('this path takes WebSocket upgrades only');
    default:
      return problemReply('not_found', 'no such path on the gateway');
  }
}
