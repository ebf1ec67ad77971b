import type { Agent, AgentOptions } from 'node:http';
import type { Env } from '@muster/runtime/program';
import type { TrafficChannel } from '../traffic/purpose.js';
import type { TrafficMeter } from '../traffic/traffic-meter.js';
import { authorities } from './authorities.js';
import { DirectAgent, DirectTlsAgent, type Opening, type TlsSessions } from './direct-agent.js';

/** How connections to gateways are opened: trusted authorities and proxies. */
export interface Dialer {
  /** PEM of the trusted authorities; absent: those of Node. */
  readonly ca: string | undefined;
  /** The proxy for this URL. It contains user and password: never log it. */
  proxyFor(url: string): URL | undefined;
  /** An HTTP agent that opens one connection to this URL. */
  agentFor(url: string, channel: TrafficChannel): Agent;
  /** An HTTP agent that keeps its connection to this URL for the next request. Each session has its own and destroys it. */
  keepAliveAgentFor(url: string, channel: TrafficChannel): Agent;
}

export interface DialerOptions {
  readonly gatewayUrls: readonly string[];
  /** PEM file of the only authorities to trust; absent: those of the system. */
  readonly gatewayCaFile?: string | undefined;
  /** Counts the bytes of each channel's TCP sockets. */
  readonly meter?: Pick<TrafficMeter, 'opening'> | undefined;
}

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process, in upper or lower case. The proxy code
 * is loaded only if a proxy is set, to save memory. Throws when a file of authorities cannot be read, or a proxy is not
 * a URL.
 */
export async function openDialer({ gatewayUrls, gatewayCaFile, meter }: DialerOptions, env: Env): Promise<Dialer> {
  const isEncrypted = gatewayUrls.some((url) => /^(wss|https):/.test(url));
  const ca = isEncrypted || gatewayCaFile !== undefined ? authorities(gatewayCaFile, env) : undefined;
  const proxies = await openProxies(gatewayUrls, env);
  const sessions: TlsSessions = new Map();
  // A new HTTP agent for each connection, so that no connection is shared.
  const open = (url: string, channel: TrafficChannel, options: AgentOptions): Agent => {
    const opening: Opening = (run) => (meter === undefined ? run() : meter.opening(channel, run));
    const proxy = proxies?.proxyFor(url);
    if (proxies !== undefined && proxy !== undefined) {
      return new proxies.ProxyAgent(proxy, opening, { ...options, ...(ca !== undefined && { ca }) });
    }
    return /^(wss|https):/.test(url)
      ? new DirectTlsAgent(opening, sessions, options)
      : new DirectAgent(opening, options);
  };
  return {
    ca,
    proxyFor: (url) => proxies?.proxyFor(url),
    agentFor: (url, channel) => open(url, channel, {}),
    keepAliveAgentFor: (url, channel) => open(url, channel, KEEP_ALIVE),
  };
}

/** One request at a time needs one connection. */
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
