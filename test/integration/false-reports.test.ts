import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AuditRecordJson } from '@muster/api-contract';
import { newCommandId, type CommandBody, type ReportBody, type SessionMode } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { DocumentAgent, type DocumentSession } from '../kit/document-agent.js';
import { startHarness, type Harness } from '../kit/harness.js';

const refusal = (id: string, number = 1): ReportBody => ({
  ...{ id, number, state: 'refused', code: 'bad_signature', message: 'as the attacker wants it', authentic: false },
});

interface Reporter {
  readonly agentId: string;
  readonly session: DocumentSession;
}
/** Two agents at a gateway where nobody else is. */
interface Pair {
  readonly healthUrl: string | undefined;
  readonly honest: Reporter;
  readonly hostile: Reporter;
}

/** The channel of the agents of a pair, and the transport of their gateway. */
const PAIRS = [
  ['live', 'uws'],
  ['live', 'ws'],
  ['poll', 'uws'],
  ['poll', 'ws'],
] as const;
const nameOf = (channel: string, transport: string): string => `${channel} over ${transport}`;

let harness: Harness;
const pairs = new Map<string, Pair>();

beforeAll(async () => {
  harness = await startHarness({ gateways: 0 });
  for (const [channel, transport] of PAIRS) pairs.set(nameOf(channel, transport), await open(channel, transport));
});
afterAll(async () => {
  for (const { honest, hostile } of pairs.values()) for (const { session } of [honest, hostile]) session.leave();
  await harness.close();
});

async function open(channel: SessionMode, transport: string): Promise<Pair> {
  const { stack } = harness;
  const { url, healthUrl } = await stack.addGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
  const host = url.replace('ws://', '');
  const report = async (): Promise<Reporter> => {
    const agent = new DocumentAgent(['query', 'command']);
    await agent.enrol(host, stack.org, stack.enrollSecret);
    return { agentId: agent.agentId, session: await agent.open(host, channel) };
  };
  return { healthUrl, honest: await report(), hostile: await report() };
}

/** A command to one agent, when it has come there. */
async function delivered({ agentId, session }: Reporter): Promise<CommandBody> {
  let come: CommandBody | undefined;
  session.onCommand = (command) => (come = command);
  await harness.api.call('POST /v1/commands', {
    body: { action: 'dns.flush', target: { agentIds: [agentId] }, expiresIn: '10m' },
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

/** About what is no command: they cost nothing, no line in the log, and the next report is heard. */
async function aboutNoCommand({ healthUrl, hostile }: Pair): Promise<void> {
  const { id, number } = await delivered(hostile);
  const ids = ['*.1', '', 'a.b.>', 'c\0', `${id}.>`, '*', 'c1'];
  for (const bad of ids) hostile.session.report({ ...refusal(bad), authentic: true });
  for (const bad of ids) hostile.session.report(refusal(bad));
  hostile.session.report({ id, number, state: 'succeeded', code: '', message: '', authentic: true });
  await eventually(async () => (await stateOf(id)) === 'succeeded', 'the outcome');
  const log = await readFile(join(harness.stack.folder, 'logs', 'command-1.log'), 'utf8');
  expect(log).not.toMatch(/"level":(50|"error")|RangeError|subject token/);
  const gateway = await (await fetch(`${healthUrl}/metrics`)).text();
  expect(gateway).toMatch(new RegExp(`command_reports_total\\{[^}]*result="bad_id"[^}]*\\} ${2 * ids.length}\\b`));
}

/** That refuse the command of another agent: they are that agent's unconfirmed claims, and the command goes on. */
async function aboutAnother({ honest, hostile }: Pair): Promise<void> {
  const { id, number } = await delivered(honest);
  hostile.session.report(refusal(id, number));
  const invented = newCommandId(Date.now());
  hostile.session.report(refusal(invented));
  for (const subject of [id, invented]) {
    expect((await audited(hostile.agentId, subject)).details).toMatchObject({ claim: 'unconfirmed' });
  }
  honest.session.report({ id, number, state: 'succeeded', code: '', message: '', authentic: true });
  await eventually(async () => (await stateOf(id)) === 'succeeded', 'the outcome');
}

/** That refuse a command again and again: they settle it with time, not with number. */
async function againAndAgain({ hostile: { agentId, session } }: Pair): Promise<void> {
  const { id, number } = await delivered({ agentId, session });
  const startedMs = performance.now();
  session.onCommand = (command) => session.report(refusal(command.id, command.number));
  for (let i = 0; i < 50; i += 1) session.report(refusal(id, number));
  await eventually(async () => (await stateOf(id)) === 'refused', 'the third refusal that counts', 45_000);
  expect(performance.now() - startedMs).toBeGreaterThan(19_000);
  expect((await audited(agentId, id)).details).not.toHaveProperty('claim');
}

/**
 * Agents with valid credentials report what is not so. Everything but the agents is real. The pairs mostly wait, so
 * they share the services.
 */
describe('reports of hostile agents', () => {
  test.concurrent.each(PAIRS)(
    '%s over %s: those about no command cost nothing, those about the command of another are unconfirmed claims, refusals settle with time',
    async (channel, transport) => {
      const pair = pairs.get(nameOf(channel, transport))!;
      await aboutNoCommand(pair);
      await aboutAnother(pair);
      await againAndAgain(pair);
    },
  );
});
