import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { decodeBody, encodeBody, encodeCbor, FLAG_FINAL, FRAME, type ReportBody } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { GatewayHarness, type RunningGateway } from './testing/gateway-harness.js';
import type { LiveSession } from './testing/live-session.js';
import { TestAgent } from './testing/test-agent.js';
import { TestCommandService } from './testing/test-command-service.js';
import { TestCoordinator } from './testing/test-coordinator.js';

const AGENTS = 2;
const QUERIES = 10;
const COMMANDS = 20;
const WITHIN_MS = 120_000;
/** About 1 MB; four of them are within the usual budget. */
const FRAME_OF_ROWS = Buffer.concat(Array.from({ length: 100 }, () => encodeCbor(['x'.repeat(10_000)])));

describe.each(['uws', 'ws'] as const)('a gateway with TLS over %s', (transport) => {
  let folder: string;
  let ca: string;
  let harness: GatewayHarness;
  let plain: RunningGateway;
  let secure: RunningGateway;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-bursts-'));
    const [certificates, opened] = await Promise.all([ensureCertificates(folder), GatewayHarness.open()]);
    ca = await readFile(certificates.caPath, 'utf8');
    harness = opened;
    const tls = { MUSTER_TLS_CERT_FILE: certificates.certPath, MUSTER_TLS_KEY_FILE: certificates.keyPath };
    [plain, secure] = await Promise.all([
      harness.startGateway(),
      harness.startGateway({ ...tls, MUSTER_GATEWAY_TRANSPORT: transport }),
    ]);
  });
  afterAll(async () => {
    await harness.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function joined(): Promise<LiveSession> {
    const agent = Object.assign(new TestAgent(), { capabilities: ['query', 'command'], ca });
    expect((await agent.enroll(plain.url)).status).toBe(201);
    return agent.connectLive(secure.url);
  }

  /** Reports the outcome of each command as it comes. */
  function run(session: LiveSession): void {
    session.socket.on('message', (frame: Buffer) => {
      if (frame[0] !== FRAME.command) return;
      const command = decodeBody('command', frame.subarray(8));
      if (!command.ok) throw new Error(command.fault);
      const { id, number } = command.body;
      const report: ReportBody = { id, number, state: 'succeeded', code: '', message: '', authentic: true };
      session.send(FRAME.report, 0, encodeBody('report', report));
    });
  }

  /** Answers all queries at once, when there is credit for each. */
  async function answer(session: LiveSession): Promise<void> {
    for (let i = 0; i < QUERIES; i += 1)
      session.send(FRAME.rows, (await session.next(FRAME.query)).ref, new Uint8Array());
    const refs: number[] = [];
    while (refs.length < QUERIES) refs.push((await session.next(FRAME.credit)).ref);
    for (let i = 1; i <= 4; i += 1) {
      for (const ref of refs) {
        session.send(FRAME.rows, ref, FRAME_OF_ROWS, i === 4 ? FLAG_FINAL : 0);
        // An agent of others may do that.
        session.socket.ping();
      }
    }
  }

  it('gets many answers of 4 MB at once, and the reports of commands that it gives meanwhile', async () => {
    const coordinator = await new TestCoordinator(harness.broker).start();
    const service = await new TestCommandService(harness.broker).start();
    const sessions = await Promise.all(Array.from({ length: AGENTS }, joined));
    for (const session of sessions) run(session);
    const ids = sessions.map(({ agent }) => agent.agentId);
    const queries = Array.from({ length: QUERIES }, () => coordinator.ask(coordinator.query()));
    await Promise.all(sessions.map(answer));
    for (let i = 0; i < COMMANDS; i += 1) service.deliver(ids);
    const isCut = (): boolean => sessions.some(({ isOpen }) => !isOpen);
    const answers = (): string[] => queries.flatMap((query) => Object.values(coordinator.outcomes(query)));
    await eventually(() => answers().length === AGENTS * QUERIES || isCut(), 'all answers', WITHIN_MS);
    await eventually(() => service.reports.length >= AGENTS * COMMANDS || isCut(), 'all reports', WITHIN_MS);
    const cut = sessions.filter(({ isOpen }) => !isOpen);
    expect(await Promise.all(cut.map(({ closed }) => closed))).toEqual([]);
    expect(answers()).toEqual(Array(AGENTS * QUERIES).fill('answered'));
    expect(ids.map((id) => service.reportsOf(id).length)).toEqual(Array(AGENTS).fill(COMMANDS));
  });
});
