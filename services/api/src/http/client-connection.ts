import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TrustedProxies } from '@muster/runtime';

/** How a browser has reached this server, as far as cookies depend on it. */
export interface ClientConnection {
  /** It came over TLS, to this server or to a trusted proxy. */
  readonly isSecure: boolean;
  /** It came from this machine, to a name of loopback. Browsers keep it apart from the network, so it may do without TLS. */
  readonly isLoopback: boolean;
  /** The `Host` that was asked. */
  readonly host: string;
  readonly userAgent: string;
  /** Why it counts as a request of another origin; `undefined` when nothing says so. */
  readonly crossSite: string | undefined;
  readonly cookie: (name: string) => string | undefined;
}

/** `from` is the address of the caller, which proxies may have told. */
export function clientConnection(request: IncomingMessage, from: string, proxies: TrustedProxies): ClientConnection {
  const { headers, socket } = request;
  const isProxied = proxies.trusts(socket.remoteAddress ?? '');
  const proto = String(headers['x-forwarded-proto'] ?? '').split(',')[0];
  const host = headers.host ?? '';
  return {
    isSecure:
      (socket as Partial<TLSSocket>).encrypted === true || (isProxied && proto?.trim().toLowerCase() === 'https'),
    isLoopback: isLoopbackAddress(from) && isLoopbackHost(host),
    host,
    userAgent: (headers['user-agent'] ?? '').slice(0, 200),
    crossSite: crossSite(headers, host),
    cookie: (name) => cookieOf(headers.cookie, name),
  };
}

/**
 * Browsers say with `Sec-Fetch-Site` who asks, and no script can change it. `same-site` is another origin too: another port of this host,
 * or another host of the same domain. Browsers that do not say it send `Origin` with whatever may change something.
 */
function crossSite({ 'sec-fetch-site': site, origin }: IncomingMessage['headers'], host: string): string | undefined {
  if (site !== undefined) {
    return site === 'same-origin' || site === 'none' ? undefined : 'the browser says that another origin asks';
  }
  if (origin === undefined || hostOf(origin) === host.toLowerCase()) return undefined;
  return 'its Origin is not the address of this server';
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function isLoopbackHost(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return hostname === 'localhost' || hostname === '[::1]' || isLoopbackAddress(hostname);
}

/** RFC 6265 §4.2.1. Where a name comes twice, none counts: somebody else may have set one of them. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

/** A cookie for the browser of this connection. `maxAgeMs` 0 takes it away. */
export function setCookie(
  { isSecure }: Pick<ClientConnection, 'isSecure'>,
  { name, value, maxAgeMs, sameSite }: { name: string; value: string; maxAgeMs: number; sameSite: 'Strict' | 'Lax' },
): string {
  const age = Math.max(0, Math.floor(maxAgeMs / 1_000));
  return `${name}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}`;
}

/**
 * The name of a cookie on this connection, `undefined` where it gets none. The prefix `__Host-` keeps other hosts of the domain from
 * setting it. Over plain HTTP on loopback there is no such prefix; cookies there are those of all ports together, so the port is part of
 * the name.
 */
export function cookieName(
  { isSecure, isLoopback, host }: Pick<ClientConnection, 'isSecure' | 'isLoopback' | 'host'>,
  name: string,
): string | undefined {
  if (isSecure) return `__Host-${name}`;
  return isLoopback ? `${name}-${new URL(`http://${host}`).port || '80'}` : undefined;
}
