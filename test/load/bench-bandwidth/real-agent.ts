import type { Stack } from '@muster/local';
import type { TestProcess } from '@muster/testkit';
import { startAgent } from '../../kit/agent-process.js';

export type Channel = 'live' | 'poll';

export interface RealAgentOptions {
  readonly stack: Stack;
  /** The only port through which it reaches a gateway. */
  readonly port: number;
  readonly name: string;
  readonly labels: string;
  readonly channel: Channel;
}

/** The agent's program as a process, which can be started several times with the same identity. */
export class RealAgent {
  readonly #options: RealAgentOptions;
  #program: TestProcess | undefined;
  #agentId = '';

  constructor(options: RealAgentOptions) {
    this.#options = options;
  }

  get agentId(): string {
    return this.#agentId;
  }

  /** Resolves when its session over the expected channel is ready. Rejects when the program ends first. */
  async start(): Promise<void> {
    const { channel, labels, name, port, stack } = this.#options;
    const { caPath } = stack;
    if (caPath === undefined) throw new Error('the bench measures TLS');
    const gatewayUrl = `https://127.0.0.1:${port}`;
    const program = startAgent(stack, { name, gatewayUrl, caPath, labels });
    this.#program = program;
    await program.until(() => program.log.some(({ msg, mode }) => msg === 'session ready' && mode === channel));
    const agentId = program.log.find(({ msg }) => msg === 'agent identity')?.['agentId'];
    this.#agentId = typeof agentId === 'string' ? agentId : '';
  }

  /** Ends it by SIGTERM, so that all bytes of the session have passed. Idempotent. */
  async stop(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.stop();
  }
}
