import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import type { AgentId, CommandBody, HelloBody, ReportBody } from '@muster/protocol';
import type { TestProcess } from '@muster/testkit';
import { startAgentProgram } from './agent-program.js';
import { CommandIssuer } from './command-issuer.js';
import { FakeGateway, type FakeRefusal } from './fake-gateway.js';
import type { FakeSession } from './fake-session.js';

/** How a command ended. A report that it runs comes only if it takes a moment. */
export async function outcomeOf(session: FakeSession): Promise<ReportBody> {
  for (;;) {
    const report = await session.report();
    if (report.state !== 'running') return report;
  }
}

/** One agent program with its data directory, a gateway for it, and a command service whose roots it pins. */
export class ProgramFixture {
  readonly folder: string;
  readonly gateway: FakeGateway;
  readonly issuer: CommandIssuer;
  readonly #agentId: () => AgentId;
  readonly #programs: TestProcess[] = [];

  private constructor(folder: string, gateway: FakeGateway, issuer: CommandIssuer, agentId: () => AgentId) {
    this.folder = folder;
    this.gateway = gateway;
    this.issuer = issuer;
    this.#agentId = agentId;
  }

  /** `folder` is where the data directory goes. */
  static async open(folder: string): Promise<ProgramFixture> {
    const issuer = await CommandIssuer.create(Date.now);
    let agentId = '' as AgentId;
    const enrol = (_request: unknown, body: unknown): FakeRefusal => {
      agentId = agentIdFromPublicKey((body as { publicKey: string }).publicKey) as AgentId;
      const trust = { keys: issuer.roots };
      return { status: 201, body: { agentId, num: 1, token: 'a-token', expiresAtMs: 1, trust } };
    };
    return new ProgramFixture(folder, await FakeGateway.start({ enrol }), issuer, () => agentId);
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  start(env: Readonly<Record<string, string>> = {}): TestProcess {
    const program = startAgentProgram(['run'], {
      MUSTER_GATEWAY_URL: this.gateway.origin,
      MUSTER_ENROLL_SECRET: 'sesame',
      MUSTER_ORG: 'acme',
      MUSTER_DATA_DIR: this.dataDir,
      ...env,
    });
    this.#programs.push(program);
    return program;
  }

  /** The next session of the agent, made ready. */
  async session(): Promise<{ readonly session: FakeSession; readonly hello: HelloBody }> {
    const session = await this.gateway.next();
    return { session, hello: await session.welcome() };
  }

  /** A command that sets a label, which the next HELLO shows. */
  setLabel(key: string, value: string): CommandBody {
    return this.issuer.issue({
      targets: [this.#agentId()],
      claims: { action: 'agent.set_labels', params: { set: { [key]: value } } },
    })[0]!;
  }

  /** Ends all programs at once. */
  async end(): Promise<void> {
    for (const program of this.#programs) await program.kill();
  }

  async close(): Promise<void> {
    await this.end();
    await this.gateway.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
