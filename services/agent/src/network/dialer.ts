import type { Agent, AgentOptions } from 'node:http';
import type { Env } from '@muster/runtime/program';
import type { TrafficChannel } from '../traffic/purpose.js';
import type { TrafficMeter } from '../traffic/traffic-meter.js';
import { authorities } from './authorities.js';
import { DirectAgent, DirectTlsAgent, type Opening } from './direct-agent.js';

/** How connections to gateways are opened: whom they trust, and which proxy they go through. */
export interface Dialer {
  /** PEM of the authorities to trust; Node's own when absent. */
  readonly ca: string | undefined;
  /** The proxy for this URL, with its user and password: not for a log. */
  proxyFor(url: string): URL | undefined;
  /** What opens one connection to this URL. */
  agentFor(url: string, channel: TrafficChannel): Agent;
  /** What opens a connection to this URL and keeps it for the next request; one for each session, which ends it. */
  keepAliveAgentFor(url: string, channel: TrafficChannel): Agent;
}

export interface DialerOptions {
  readonly gatewayUrls: readonly string[];
  /** PEM file of the only authorities to trust; the system's when not set. */
  readonly gatewayCaFile?: string | undefined;
  /** Sees the TCP sockets of each channel. */
  readonly meter?: Pick<TrafficMeter, 'opening'> | undefined;
}

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process, in capitals or not, as most programs do. The code that speaks to
 * proxies is loaded only where there is one: nobody else pays its memory. Throws when a file of authorities cannot be read, or a proxy is no URL.
 */
export async function openDialer({ gatewayUrls, gatewayCaFile, meter }: DialerOptions, env: Env): Promise<Dialer> {
  const isEncrypted = gatewayUrls.some((url) => /^(wss|https):/.test(url));
  const ca = isEncrypted || gatewayCaFile !== undefined ? authorities(gatewayCaFile, env) : undefined;
  const proxies = await openProxies(gatewayUrls, env);
  // An agent for each connection: a gateway's answer must not depend on what an earlier one left open.
  const open = (url: string, channel: TrafficChannel, options: AgentOptions): Agent => {
    const opening: Opening = (run) => (meter === undefined ? run() : meter.opening(channel, run));
    const proxy = proxies?.proxyFor(url);
    if (proxies !== undefined && proxy !== undefined) {
      return new proxies.ProxyAgent(proxy, opening, { ...options, ...(ca !== undefined && { ca }) });
    }
    return /^(wss|https):/.test(url) ? new DirectTlsAgent(opening, options) : new DirectAgent(opening, options);
  };
  return {
    ca,
    proxyFor: (url) => proxies?.proxyFor(url),
    agentFor: (url, channel) => open(url, channel, {}),
    keepAliveAgentFor: (url, channel) => open(url, channel, KEEP_ALIVE),
  };
}

/** One request at a time, so one connection. */
const KEEP_ALIVE = { keepAlive: true, maxSockets: 1, keepAliveMsecs: 60_000 };

async function openProxies(gatewayUrls: readonly string[], env: Env) {
  if (!Object.entries(env).some(([name, value]) => /^(https?|all)_proxy$/i.test(name) && value)) return undefined;
  const [{ getProxyForUrl }, { ProxyAgent }] = await Promise.all([
    import('proxy-from-env'),
    import('./proxy-agent.js'),
  ]);
  const proxyFor = (url: string): URL | undefined => {
    const proxy = getProxyForUrl(url.replace(/^ws/, 'http'));
    return proxy === '' ? undefined : parseProxy(proxy);
  };
  for (const url of gatewayUrls) proxyFor(url);
  return { proxyFor, ProxyAgent };
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url;
  // Without its text: it may hold a password.
  throw new Error(
    'the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names is no URL of the form http://user:password@host:port',
  );
}
