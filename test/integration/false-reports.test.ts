import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuditRecordJson } from '@muster/api-contract';
import { newCommandId, type CommandBody, type ReportBody, type SessionMode } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { DocumentAgent, type DocumentSession } from '../kit/document-agent.js';
import { startHarness, type Harness } from '../kit/harness.js';

const refusal = (id: string, number = 1): ReportBody => ({
  ...{ id, number, state: 'refused', code: 'bad_signature', message: 'as the attacker wants it', authentic: false },
});

/** Agents with valid credentials report what is not so. Everything but the agents is real. */
describe.each([
  ['live', 'uws'],
  ['live', 'ws'],
  ['poll', 'uws'],
  ['poll', 'ws'],
] as const)('reports of hostile agents, %s over %s', (channel: SessionMode, transport) => {
  let harness: Harness;
  let honest: DocumentAgent;
  let hostile: DocumentAgent;
  let honestSession: DocumentSession;
  let hostileSession: DocumentSession;

  beforeAll(async () => {
    harness = await startHarness({ env: { gateway: { MUSTER_GATEWAY_TRANSPORT: transport } } });
    const host = harness.stack.gateways[0]?.url.replace('ws://', '') ?? '';
    const join1 = async (): Promise<[DocumentAgent, DocumentSession]> => {
      const agent = new DocumentAgent(['query', 'command']);
      await agent.enrol(host, harness.stack.org, harness.stack.enrollSecret);
      return [agent, await agent.open(host, channel)];
    };
    [honest, honestSession] = await join1();
    [hostile, hostileSession] = await join1();
  });
  afterAll(async () => {
    for (const session of [honestSession, hostileSession]) session.leave();
    await harness.close();
  });

  /** A command to one agent, when it has come there. */
  async function delivered(agent: DocumentAgent, session: DocumentSession): Promise<CommandBody> {
    let come: CommandBody | undefined;
    session.onCommand = (command) => (come = command);
    await harness.api.call('POST /v1/commands', {
      body: { action: 'dns.flush', target: { agentIds: [agent.agentId] }, expiresIn: '10m' },
    });
    await eventually(() => come !== undefined, 'the command at the agent');
    return come!;
  }
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await harness.api.all('GET /v1/commands/{id}/targets', { params: { id } }))[0]?.state;

  async function audited(actor: string, subject: string): Promise<AuditRecordJson> {
    let found: AuditRecordJson | undefined;
    await eventually(
      async () => {
        const records = await harness.api.all('GET /v1/audit', { query: { action: 'command.refused_by_agent' } });
        found = records.find((record) => record.actor === actor && record.subject === subject);
        return found !== undefined;
      },
      'the audit record',
      15_000,
    );
    return found!;
  }

  it('about what is no command cost nothing: no line in the log, and the next report is heard', async () => {
    const { id, number } = await delivered(hostile, hostileSession);
    const ids = ['*.1', '', 'a.b.>', 'c\0', `${id}.>`, '*', 'c1'];
    for (const bad of ids) hostileSession.report({ ...refusal(bad), authentic: true });
    for (const bad of ids) hostileSession.report(refusal(bad));
    hostileSession.report({ id, number, state: 'succeeded', code: '', message: '', authentic: true });
    await eventually(async () => (await stateOf(id)) === 'succeeded', 'the outcome');
    const log = await readFile(join(harness.stack.folder, 'logs', 'command-1.log'), 'utf8');
    expect(log).not.toMatch(/"level":(50|"error")|RangeError|subject token/);
    const gateway = await (await fetch(`${harness.stack.gateways[0]?.healthUrl}/metrics`)).text();
    expect(gateway).toMatch(new RegExp(`command_reports_total\\{[^}]*result="bad_id"[^}]*\\} ${2 * ids.length}\\b`));
  });

  it('that refuse the command of another agent are that agent’s unconfirmed claims, and the command goes on', async () => {
    const { id, number } = await delivered(honest, honestSession);
    hostileSession.report(refusal(id, number));
    const invented = newCommandId(Date.now());
    hostileSession.report(refusal(invented));
    for (const subject of [id, invented]) {
      expect((await audited(hostile.agentId, subject)).details).toMatchObject({ claim: 'unconfirmed' });
    }
    honestSession.report({ id, number, state: 'succeeded', code: '', message: '', authentic: true });
    await eventually(async () => (await stateOf(id)) === 'succeeded', 'the outcome');
  });

  it('that refuse a command again and again settle it with time, not with number', async () => {
    const { id, number } = await delivered(hostile, hostileSession);
    const startedMs = performance.now();
    hostileSession.onCommand = (command) => hostileSession.report(refusal(command.id, command.number));
    for (let i = 0; i < 50; i += 1) hostileSession.report(refusal(id, number));
    await eventually(async () => (await stateOf(id)) === 'refused', 'the third refusal that counts', 45_000);
    expect(performance.now() - startedMs).toBeGreaterThan(19_000);
    expect((await audited(hostile.agentId, id)).details).not.toHaveProperty('claim');
  });
});
