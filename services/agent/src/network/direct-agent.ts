import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions, type RequestOptions } from 'node:https';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Runs a function that opens a TCP socket, so that the traffic meter can see the socket. */
export type Opening = <Result>(open: () => Result) => Result;

type OnCreated = (error: Error | null, stream: Duplex) => void;

/** Opens connections without TLS. */
export class DirectAgent extends HttpAgent {
  readonly #opening: Opening;

  constructor(opening: Opening, options: AgentOptions) {
    super(options);
    this.#opening = opening;
  }

  override createConnection(options: ClientRequestArgs, onCreated?: OnCreated): Duplex | null | undefined {
    return this.#opening(() => super.createConnection(options, onCreated));
  }
}

/** Opens connections with TLS. It opens the TCP socket itself, because the meter cannot see one that `tls.connect` opens. */
export class DirectTlsAgent extends HttpsAgent {
  readonly #opening: Opening;

  constructor(opening: Opening, options: HttpsAgentOptions) {
    super(options);
    this.#opening = opening;
  }

  override createConnection(options: RequestOptions, onCreated?: OnCreated): Duplex | null | undefined {
    const socket: Socket = this.#opening(() => connect(options as NetConnectOpts));
    const over: RequestOptions & { readonly socket: Socket } = { ...options, socket };
    return super.createConnection(over, onCreated);
  }
}
