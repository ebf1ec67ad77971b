import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type CommandReport } from '@muster/messages';
import { newCommandId, type CommandId, type CommandServiceId, type GatewayId } from '@muster/protocol';
import type { AuditRecord } from '@muster/records';
import { createLogger } from '@muster/runtime';
import { CommandHarness, makeTestKeys, type TestKeys } from '../testing/command-harness.js';
import type { FakeAgent, FakeReport } from '../testing/fake-agent.js';
import type { FakeGateway } from '../testing/fake-gateway.js';
import { EarlyReports } from './early-reports.js';

let keys: TestKeys;
let harness: CommandHarness;
beforeAll(async () => {
  keys = await makeTestKeys();
});
beforeEach(async () => {
  harness = await new CommandHarness({ keys }).open();
});
afterEach(() => harness.close());

const deliveries = (gateway: FakeGateway) => gateway.received.filter(({ t }) => t === 'command_deliver');
const stateOf = async (id: CommandId) => (await harness.fold(id)).state(1);

const done = (id: CommandId): FakeReport => ({
  ...{ id, number: 1, state: 'succeeded', code: 'done', message: '', authentic: true },
});
const refusal = (id: CommandId): FakeReport => ({
  ...{ id, number: 1, state: 'refused', code: 'bad_signature', message: '', authentic: false },
});

async function refusalsInAudit(): Promise<AuditRecord[]> {
  return (await harness.audit()).filter(({ action }) => action === 'command.refused_by_agent');
}

describe('an endpoint that cannot verify a command', () => {
  test('settles its target with the third refusal, and time has passed between the three', async () => {
    const [agent] = await harness.agents(1);
    agent!.refusesAll = true;
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await harness.pass(1_000);
    // The first one may be a fault on the way: the command comes again at once. That refusal says nothing new.
    expect(deliveries(gateway)).toHaveLength(2);
    for (let passedMs = 1_000; passedMs < 19_000; passedMs += 1_000) {
      expect(await stateOf(record.id)).toBe('sent');
      await harness.pass(1_000);
    }
    await harness.pass(4_000);
    expect((await harness.fold(record.id)).outcome(1)).toMatchObject({ state: 'refused', code: 'bad_signature' });
    const refusals = await refusalsInAudit();
    expect(refusals.length).toBeGreaterThanOrEqual(3);
    expect(refusals[0]).toMatchObject({ actor: agent!.agentId, code: 'bad_signature', subject: record.id });
    expect(refusals[0]?.details).not.toHaveProperty('claim');
  });

  test('settles nothing by repeating itself, however often', async () => {
    const [agent] = await harness.agents(1);
    agent!.refusesAll = true;
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await harness.pass(100);
    for (let i = 0; i < 500; i += 1) agent!.report!(refusal(record.id));
    await harness.pass(1_000);
    expect(await stateOf(record.id)).toBe('sent');
    expect(deliveries(gateway)).toHaveLength(2);
    // One agent cannot fill the audit record.
    expect((await refusalsInAudit()).length).toBeLessThanOrEqual(21);
  });

  test('gets the command again at once, and runs it when it came whole', async () => {
    const [agent] = await harness.agents(1);
    agent!.refusesAll = true;
    await harness.service();
    const gateway = harness.gateway('gw-1', (deliver) => {
      deliver();
      agent!.refusesAll = false;
    });
    gateway.connect(agent!);
    agent!.refusesAll = true;
    const { record } = await harness.submit();
    await harness.pass(1_000);
    expect(await stateOf(record.id)).toBe('succeeded');
  });
});

describe('a refusal that nothing confirms is kept as a claim of its agent, and settles nothing:', () => {
  async function claimed(agent: FakeAgent, id: CommandId, number = 1): Promise<AuditRecord[]> {
    agent.report!({ ...refusal(id), number });
    await harness.pass(5_000);
    return (await refusalsInAudit()).filter(({ actor, subject }) => actor === agent.agentId && subject === id);
  }
  const claim = { code: 'bad_signature', details: { claim: 'unconfirmed', doubt: expect.any(String) as unknown } };

  test('of an agent that is no target', async () => {
    const [agent, other] = await harness.agents(2, { queueMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(agent!, other!);
    const { record } = await harness.submit({ target: { agentIds: [agent!.agentId] } });
    await harness.pass(200);
    expect(await claimed(other!, record.id)).toMatchObject([claim]);
    expect(await stateOf(record.id)).toBe('accepted');
  });

  test('of a target that has verified the command before', async () => {
    const [agent] = await harness.agents(1, { queueMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(agent!);
    const { record } = await harness.submit();
    await harness.pass(200);
    expect(await claimed(agent!, record.id)).toMatchObject([claim]);
    expect(await stateOf(record.id)).toBe('accepted');
  });

  test('of a target that the command was not delivered to', async () => {
    const agents = await harness.agents(2, { queueMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(...agents);
    const rollout = { canary: 1, step: 1, pauseMs: 3_600_000, abortOver: 1 };
    const { record } = await harness.submit({ rollout });
    await harness.pass(200);
    const fold = await harness.fold(record.id);
    const waiting = agents.find(({ num }) => num === fold.nums[1]);
    expect(await claimed(waiting!, record.id, 2)).toMatchObject([claim]);
    expect((await harness.fold(record.id)).state(2)).toBe('queued');
  });

  test('about a command that has ended, and about one that never was', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    const { record } = await harness.submit();
    await harness.pass(1_000);
    expect(await stateOf(record.id)).toBe('succeeded');
    expect(await claimed(agent!, record.id)).toMatchObject([claim]);
    expect(await claimed(agent!, newCommandId(1))).toMatchObject([claim]);
    // What is not authentic is never acknowledged.
    const kept = gateway.received.flatMap((each) => (each.t === 'command_kept' ? each.items : []));
    expect(kept).toHaveLength(1);
  });
});

describe('a report', () => {
  test('from another agent’s session changes nothing', async () => {
    const [agent, other] = await harness.agents(2, { queueMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(agent!, other!);
    const { record } = await harness.submit({ target: { agentIds: [agent!.agentId] } });
    await harness.pass(200);
    other!.report!(done(record.id));
    await harness.pass(500);
    expect(await stateOf(record.id)).toBe('accepted');
  });

  test('to one service reaches that one alone; one that reaches two of them is one record, and both acknowledge it', async () => {
    const [agent] = await harness.agents(1, { queueMs: () => 60_000 });
    const services = [await harness.service(), await harness.service()];
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await harness.pass(200);
    const { org, agentId, num } = agent!;
    const reports = [{ ...done(record.id), org, agentId, num } as CommandReport];
    const data = encodeBusMessage({ t: 'command_reports', gateway: gateway.id, reports });
    const kept = () => gateway.received.filter(({ t }) => t === 'command_kept').length;
    for (const [at, { instance }] of services.entries()) {
      harness.connection.bus.publish(SUBJECTS.commandServiceReports(instance as CommandServiceId), data);
      await harness.pass(1_000);
      expect([await stateOf(record.id), kept()]).toEqual(['succeeded', at + 1]);
    }
    await harness.pass(6_000);
    const outcomes = (await harness.audit()).filter(({ details }) => JSON.stringify(details).includes('succeeded'));
    expect(outcomes).toHaveLength(1);
  });

  test('about a command that is not in the journal is acknowledged, so that it is not repeated for ever', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    const id = newCommandId(1);
    agent!.report!(done(id));
    await harness.pass(5_000);
    expect(gateway.received).toContainEqual({ t: 'command_kept', items: [[agent!.agentId, id, 1]] });
  });

  test('with an id that is none is dropped without a word, and the others of its batch are taken', async () => {
    const lines: string[] = [];
    await harness.close();
    const destination = { write: (line: string) => void lines.push(line) };
    const logger = createLogger({ service: 'command', level: 'warn', destination });
    harness = await new CommandHarness({ keys, logger }).open();
    const [agent] = await harness.agents(1, { queueMs: () => 60_000 });
    await harness.service();
    harness.gateway('gw-1').connect(agent!);
    const { record } = await harness.submit();
    await harness.pass(200);
    const { org, agentId, num } = agent!;
    const reports = ['*.1', '', 'a.b.>', 'c\0', 7, record.id].map(
      (id) => ({ ...done(id as CommandId), org, agentId, num }) as CommandReport,
    );
    const message = { t: 'command_reports', gateway: 'gw-1' as GatewayId, reports } as const;
    harness.connection.bus.publish(SUBJECTS.commandReports, encodeBusMessage(message));
    await harness.pass(5_000);
    expect(await stateOf(record.id)).toBe('succeeded');
    expect(lines).toEqual([]);
  });

  test('that waits for its command takes a place of its agent’s own: no agent can fill the queue', () => {
    const early = new EarlyReports();
    const from = (agentId: string) =>
      early.add({ report: { ...done(newCommandId(1)), agentId } as CommandReport, gateway: 'gw-1' as GatewayId }, 0);
    const taken = Array.from({ length: 30_000 }, () => from('flooding')).filter(Boolean).length;
    expect(taken).toBeLessThan(1_000);
    expect(from('other')).toBe(true);
    expect([...early.expired(2_000)]).toHaveLength(taken + 1);
    expect(from('flooding')).toBe(true);
  });
});
