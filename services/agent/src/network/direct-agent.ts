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

/**
 * TLS sessions, the newest of each host and port. Who connects to the same gateway again proves and checks no certificate
 * a second time (RFC 8446 §2.2). They are kept in memory alone: a new process begins anew.
 */
export type TlsSessions = Map<string, Buffer>;

/** Opens connections with TLS. It opens the TCP socket itself, because the meter cannot see one that `tls.connect` opens. */
export class DirectTlsAgent extends HttpsAgent {
  readonly #opening: Opening;
  readonly #sessions: TlsSessions;

  constructor(opening: Opening, sessions: TlsSessions, options: HttpsAgentOptions) {
    super(options);
    this.#opening = opening;
    this.#sessions = sessions;
  }

  override createConnection(options: RequestOptions, onCreated?: OnCreated): Duplex | null | undefined {
    const socket: Socket = this.#opening(() => connect(options as NetConnectOpts));
    const end = `${options.host ?? ''}:${options.port ?? ''}`;
    const session = this.#sessions.get(end);
    const over = { ...options, socket, ...(session !== undefined && { session }) };
    const secured = super.createConnection(over, onCreated);
    secured?.on('session', (next: Buffer) => this.#sessions.set(end, next));
    // Whatever was wrong: the next attempt begins anew.
    secured?.once('close', (hadError: boolean) => hadError && this.#sessions.delete(end));
    return secured;
  }
}
