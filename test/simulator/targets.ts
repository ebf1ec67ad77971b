import { createSecureContext } from 'node:tls';
import { LIMITS, SUBPROTOCOL } from '@muster/protocol';
import type { Target } from './wire/target.js';

const CONNECT_TIMEOUT_MS = 20_000;

/** Where agents of a fleet connect to. `localhost` becomes 127.0.0.1, so that source addresses can be spread. */
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
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ...(secure && { secureContext }),
    };
  };
  const [first, ...rest] = gateways;
  return [targetOf(first), ...rest.map(targetOf)];
}

/** The same gateway for plain requests. */
export function httpUrlOf(gateway: string): string {
  const url = new URL(gateway);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  return url.href;
}
