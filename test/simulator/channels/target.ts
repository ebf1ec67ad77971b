import { createSecureContext, type SecureContext } from 'node:tls';
import { LIMITS, SUBPROTOCOL } from '@muster/protocol';

/** Where and how to connect; shared by all connections of a fleet. */
export interface Target {
  readonly host: string;
  /** The name that the certificate must carry. */
  readonly serverName: string;
  readonly port: number;
  readonly path: string;
  readonly pollPath: string;
  /** Set for `wss` and `https`. */
  readonly secureContext?: SecureContext;
  readonly subprotocol: string;
  readonly maxMessageBytes: number;
}

/** The targets of a fleet, by gateway. `localhost` becomes 127.0.0.1, so that source addresses can be spread. */
export function targetsOf(
  gateways: readonly [string, ...string[]],
  ca: string | undefined,
): readonly [Target, ...Target[]] {
  const secureContext = createSecureContext(ca === undefined ? {} : { ca });
  const targetOf = (gateway: string): Target => {
    const url = new URL(gateway);
    if (url.protocol !== 'wss:' && url.protocol !== 'ws:') throw new RangeError(`${gateway} is not a ws: or wss: URL`);
    const secure = url.protocol === 'wss:';
    return {
      host: url.hostname === 'localhost' ? '127.0.0.1' : url.hostname,
      serverName: url.hostname,
      port: Number(url.port) || (secure ? 443 : 80),
      path: url.pathname === '/' ? '/v1/live' : url.pathname,
      pollPath: url.pathname === '/' ? '/v1/poll' : url.pathname.replace(/live$/, 'poll'),
      subprotocol: SUBPROTOCOL,
      maxMessageBytes: LIMITS.frameBytes,
      ...(secure && { secureContext }),
    };
  };
  const [first, ...rest] = gateways;
  return [targetOf(first), ...rest.map(targetOf)];
}

/** The `http:` or `https:` URL of a gateway. */
export function httpUrlOf(gateway: string): string {
  const url = new URL(gateway);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  return url.href;
}
