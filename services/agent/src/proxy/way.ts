import type { Agent } from 'node:http';
import type { Env } from '@muster/runtime/program';
import { authorities } from './authorities.js';

/** How connections to gateways are opened: whom they trust, and which proxy they go through. */
export interface Way {
  /** PEM of the authorities to trust; Node's own when absent. */
  readonly ca: string | undefined;
  /** The proxy for this URL, with its user and password: not for a log. */
  proxyFor(url: string): URL | undefined;
  /** What opens the connection to this URL; none where it is opened directly. */
  agentFor(url: string): Agent | undefined;
}

export interface WayOptions {
  readonly gatewayUrls: readonly string[];
  /** PEM file of the only authorities to trust; the system's when not set. */
  readonly gatewayCaFile?: string | undefined;
}

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process, in capitals or not, as most programs do. The code that speaks to
 * proxies is loaded only where there is one: nobody else pays its memory. Throws when a file of authorities cannot be read, or a proxy is no URL.
 */
export async function openWay({ gatewayUrls, gatewayCaFile }: WayOptions, env: Env): Promise<Way> {
  const isEncrypted = gatewayUrls.some((url) => /^(wss|https):/.test(url));
  const ca = isEncrypted || gatewayCaFile !== undefined ? authorities(gatewayCaFile, env) : undefined;
  if (!Object.entries(env).some(([name, value]) => /^(https?|all)_proxy$/i.test(name) && value)) {
    return { ca, proxyFor: () => undefined, agentFor: () => undefined };
  }
  const [{ getProxyForUrl }, { HttpsProxyAgent }] = await Promise.all([
    import('proxy-from-env'),
    import('https-proxy-agent'),
  ]);
  const proxyFor = (url: string): URL | undefined => {
    const proxy = getProxyForUrl(url.replace(/^ws/, 'http'));
    return proxy === '' ? undefined : parseProxy(proxy);
  };
  for (const url of gatewayUrls) proxyFor(url);
  return {
    ca,
    proxyFor,
    agentFor(url) {
      const proxy = proxyFor(url);
      // An agent for each connection: a gateway's answer must not depend on what an earlier one left open.
      return proxy === undefined ? undefined : new HttpsProxyAgent(proxy, ca === undefined ? {} : { ca });
    },
  };
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url;
  // Without its text: it may hold a password.
  throw new Error(
    'the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names is no URL of the form http://user:password@host:port',
  );
}
