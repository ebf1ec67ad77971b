import type { Denial } from '../../sessions/admission/admission-control.js';
import type { HttpReply } from './http-message.js';
import { problemReply, retryAfter } from './replies.js';

/** A denial by admission control as HTTP. */
export function denialReply({ code, message, retryAfterMs, token }: Omit<Denial, 'kind' | 'result'>): HttpReply {
  // RFC 6750 §3: a challenge without an error code where no token was sent.
  const error = token === 'invalid' ? ', error="invalid_token"' : '';
  return problemReply(code, message, {
    ...(token === undefined ? {} : { 'www-authenticate': `Bearer realm="muster"${error}` }),
    ...(retryAfterMs === undefined ? {} : retryAfter(retryAfterMs, code === 'draining' ? AT_ONCE : Math.random)),
  });
}

/** Who comes to a gateway that drains comes at a random time already, and needs another gateway soon. */
const AT_ONCE = (): number => 0;

/** The same reply, and the connection ends: the next request goes to wherever a load balancer sends it. */
export function lastReply(reply: HttpReply): HttpReply {
  return { ...reply, headers: { ...reply.headers, connection: 'close' } };
}

/** A page in a browser sends `Origin`; agents do not. */
export function browserReply(origin: string | undefined): HttpReply | undefined {
  return origin === undefined
    ? undefined
    : problemReply('forbidden', 'agents send no Origin; browsers have no business here');
}
