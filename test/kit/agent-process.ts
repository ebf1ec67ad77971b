import { runQuery } from '@muster/api-client';
import type { AgentJson, QueryJson } from '@muster/api-contract';
import { join } from 'node:path';
import { type AgentProgram, startAgentProgram } from '@muster/agent/testing/agent-program';
import type { Lab } from './lab.js';

export interface AgentProcessOptions {
  /** The label `case`, which nobody else has. */
  readonly name: string;
  /** `wss://host:port` */
  readonly gatewayUrl: string;
  /** Where the certificate of the only authority that it trusts is. */
  readonly caPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Line {
  readonly msg: string;
  readonly mode?: string;
  readonly [field: string]: unknown;
}

/** The real agent as a process, asked about like any other endpoint. */
export class AgentProcess {
  readonly name: string;
  readonly program: AgentProgram;
  /** Where it keeps what it must not forget. */
  readonly folder: string;
  readonly #lab: Lab;

  constructor(lab: Lab, { name, gatewayUrl, caPath, env }: AgentProcessOptions) {
    this.name = name;
    this.#lab = lab;
    const { stack } = lab;
    this.folder = join(stack.folder, 'data', name);
    this.program = startAgentProgram([], {
      MUSTER_GATEWAY_URL: gatewayUrl,
      MUSTER_GATEWAY_CA: caPath,
      MUSTER_ORG: stack.org,
      MUSTER_ENROLL_SECRET: stack.enrollSecret,
      MUSTER_DATA_DIR: this.folder,
      MUSTER_LABELS: `case=${name}`,
      ...env,
    });
  }

  /** What it has logged. */
  get streams(): Line[] {
    // The last piece may be half a line.
    const lines = this.program.output().split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
  }

  /** The channels of the sessions that it has had, in order. */
  get sessions(): (string | undefined)[] {
    return this.streams.filter(({ msg }) => msg === 'session ready').map(({ mode }) => mode);
  }

  /** Resolves when it has had so many sessions. Rejects when the program ends first. */
  async ready(sessions = 1): Promise<void> {
    await this.until(() => this.sessions.length >= sessions);
  }

  /** Resolves when what it has logged fulfils this. Rejects when the program ends first. */
  async until(holds: (agent: AgentProcess) => boolean): Promise<void> {
    const { child, exit } = this.program;
    while (!holds(this)) {
      if (child.exitCode !== null) throw new Error(`${this.name} ended: ${this.program.output()}`);
      await Promise.race([new Promise((resolve) => child.stdout?.once('data', resolve)), exit]);
    }
  }

  /** Asks it alone, and waits for the end. */
  query(sql: string, timeout = '20s'): Promise<QueryJson> {
    return runQuery(this.#lab.api, { sql, selector: `case=${this.name}`, timeout });
  }

  /** As people see it. */
  async seen(): Promise<AgentJson> {
    const [agent] = await this.#lab.api.all('GET /v1/agents', { query: { selector: `case=${this.name}` } });
    if (agent === undefined) throw new Error(`${this.name} is not enrolled`);
    return agent;
  }

  async agentId(): Promise<string> {
    return (await this.seen()).agentId;
  }

  async stop(): Promise<void> {
    await this.program.kill();
  }
}
