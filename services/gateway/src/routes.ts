import { SUBPROTOCOL } from '@muster/protocol';
import { LIVE_PATH } from './admission/doorkeeper.js';
import { ENROLL_PATH } from './admission/enrolment.js';
import { jsonReply, problemReply } from './admission/replies.js';
import type { HttpReply, HttpRequest } from './transport/transport.js';

/** Every request that is no upgrade. The health paths are for load balancers, which look at the port that they send traffic to. */
export async function routeHttp(
  request: HttpRequest,
  { enrol, ready }: { readonly enrol: (request: HttpRequest) => Promise<HttpReply>; readonly ready: () => boolean },
): Promise<HttpReply> {
  switch (request.path) {
    case ENROLL_PATH:
      return enrol(request);
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
