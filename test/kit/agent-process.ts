import { runQuery } from '@muster/api-client';
import type { AgentJson, QueryJson } from '@muster/api-contract';
import { join } from 'node:path';
import { type LogLine, TestProcess } from '@muster/testkit';
import type { Harness } from './harness.js';
import { mainOf, type Stack } from '@muster/local';

export interface AgentProcessOptions {
  /** The value of its label `case`; unique. */
  readonly name: string;
  /** `wss://host:port` */
  readonly gatewayUrl: string;
  /** The certificate of the only authority that it trusts. */
  readonly caPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

export const AGENT_MAIN = mainOf('agent');

/** The real agent as a process. */
export class AgentProcess {
  readonly name: string;
  readonly program: TestProcess;
  readonly folder: string;
  readonly #harness: Harness;

  constructor(harness: Harness, { name, gatewayUrl, caPath, env }: AgentProcessOptions) {
    this.name = name;
    this.#harness = harness;
    this.folder = join(harness.stack.folder, 'data', name);
    this.program = startAgent(harness.stack, { name, gatewayUrl, caPath, labels: `case=${name}`, env });
  }

  get log(): readonly LogLine[] {
    return this.program.log;
  }

  /** The channels of its sessions, in order. */
  get sessions(): unknown[] {
    return this.log.filter(({ msg }) => msg === 'session ready').map(({ mode }) => mode);
  }

  /** Resolves when it has had this many sessions. Rejects when the program ends first. */
  async ready(sessions = 1): Promise<void> {
    await this.until(() => this.sessions.length >= sessions);
  }

  /** Resolves when the condition holds; it is checked at every output. Rejects when the program ends first. */
  until(holds: (agent: AgentProcess) => boolean): Promise<void> {
    return this.program.until(() => holds(this));
  }

  /** Runs a query on it alone, to the end. */
  query(sql: string, timeout = '20s'): Promise<QueryJson> {
    return runQuery(this.#harness.api, { sql, selector: `case=${this.name}`, timeout });
  }

  /** The agent as the API shows it. */
  async seen(): Promise<AgentJson> {
    const [agent] = await this.#harness.api.all('GET /v1/agents', { query: { selector: `case=${this.name}` } });
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

/** Starts the agent's program, with its data in a folder of this name in the stack's folder. */
export function startAgent(
  { folder, org, enrollSecret }: Stack,
  {
    name,
    gatewayUrl,
    caPath,
    labels,
    env,
  }: Omit<AgentProcessOptions, 'env'> & { labels: string; env?: object | undefined },
): TestProcess {
  return new TestProcess({
    main: AGENT_MAIN,
    env: {
      MUSTER_GATEWAY_URL: gatewayUrl,
      MUSTER_GATEWAY_CA: caPath,
      MUSTER_ORG: org,
      MUSTER_ENROLL_SECRET: enrollSecret,
      MUSTER_DATA_DIR: join(folder, 'data', name),
      MUSTER_LABELS: labels,
      ...env,
    },
  });
}
