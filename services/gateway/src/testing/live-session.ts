import { once } from 'node:events';
import { SUBPROTOCOL } from '@muster/protocol';
import { WebSocket } from 'ws';
import { connectHeaders, TestSession, type AgentState } from './test-session.js';

export class LiveSession extends TestSession {
  readonly socket: WebSocket;

  private constructor(agent: AgentState, socket: WebSocket) {
    super(agent);
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.received(data));
    socket.on('close', (code: number) => this.ended(code));
  }

  /** Opens the WebSocket only. */
  static async open(agent: AgentState, url: string): Promise<LiveSession> {
    const { ca } = agent;
    const socket = new WebSocket(`${ca === undefined ? 'ws' : 'wss'}://${url}/v1/live`, SUBPROTOCOL, {
      headers: connectHeaders(agent),
      localAddress: agent.from,
      ...(ca === undefined ? {} : { ca }),
    });
    const session = new LiveSession(agent, socket);
    await once(socket, 'open');
    return session;
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  close(): void {
    this.socket.close();
  }

  cut(): void {
    this.socket.terminate();
  }
}
