import { join } from 'node:path';
import { type AgentProgram, startAgentProgram } from '@muster/agent/testing/agent-program';
import type { Stack } from '@muster/local';

export type Channel = 'live' | 'poll';

export interface RealAgentOptions {
  readonly stack: Stack;
  /** Its only way to a gateway. */
  readonly port: number;
  readonly name: string;
  readonly labels: string;
  readonly channel: Channel;
}

/** The agent's program as a process, started again and again with the same identity. */
export class RealAgent {
  readonly #options: RealAgentOptions;
  #program: AgentProgram | undefined;
  #agentId = '';

  constructor(options: RealAgentOptions) {
    this.#options = options;
  }

  get agentId(): string {
    return this.#agentId;
  }

  /** Resolves when a gateway holds its session over the channel that it is for. Rejects when the program ends first. */
  async start(): Promise<void> {
    const { channel, labels, name, port, stack } = this.#options;
    const { caPath } = stack;
    if (caPath === undefined) throw new Error('the bench measures TLS');
    const program = startAgentProgram([], {
      MUSTER_GATEWAY_URL: `https://127.0.0.1:${port}`,
      MUSTER_GATEWAY_CA: caPath,
      MUSTER_ORG: stack.org,
      MUSTER_ENROLL_SECRET: stack.enrollSecret,
      MUSTER_DATA_DIR: join(stack.folder, 'data', name),
      MUSTER_LABELS: labels,
      MUSTER_PARENT_PID: String(process.pid),
    });
    this.#program = program;
    while (!linesOf(program).some(({ msg, mode }) => msg === 'session ready' && mode === channel)) {
      const { exitCode, signalCode, stdout } = program.child;
      if (exitCode !== null || signalCode !== null) throw new Error(`the agent ${name} ended: ${program.output()}`);
      await Promise.race([new Promise((resolve) => stdout?.once('data', resolve)), program.exit]);
    }
    this.#agentId = linesOf(program).find(({ msg }) => msg === 'agent identity')?.agentId ?? '';
  }

  /** An orderly end, so that all bytes of the session have passed. Idempotent. */
  async stop(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    program?.child.kill('SIGTERM');
    await program?.exit;
  }
}

interface Line {
  readonly msg: string;
  readonly agentId?: string;
  readonly mode?: string;
}

/** What it has logged. */
function linesOf(program: AgentProgram): Line[] {
  // The last piece may be half a line.
  const lines = program.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
}
