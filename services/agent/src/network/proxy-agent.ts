import type { AgentOptions, ClientRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { HttpsProxyAgent } from 'https-proxy-agent';
import type { Opening } from './direct-agent.js';

type ConnectOptions = Parameters<HttpsProxyAgent<string>['connect']>[1];

/** Opens connections through a proxy. */
export class ProxyAgent extends HttpsProxyAgent<string> {
  readonly #opening: Opening;

  constructor(proxy: URL, opening: Opening, options: AgentOptions & { readonly ca?: string }) {
    super(proxy, options);
    this.#opening = opening;
  }

  override connect(request: ClientRequest, options: ConnectOptions): Promise<Socket> {
    // The library opens the socket before its first `await`.
    return this.#opening(() => {
      const { host = '', port } = this.connectOpts;
      if (this.proxy.protocol === 'https:') this.connectOpts = { ...this.connectOpts, socket: connect({ host, port }) };
      return super.connect(request, options);
    });
  }
}
