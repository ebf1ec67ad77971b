import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AuditTrail, type NewAuditRecord } from '@muster/audit';
import type { CommandId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, verifyChain, type AuditRecord, type ChainLink } from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { TestProcess } from '@muster/testkit';
import { ORG } from './testing/command-harness.js';
import type { FakeAgent } from './testing/fake-agent.js';
import { ServiceHarness } from './testing/service-harness.js';

const ROUNDS = Number(process.env['MUSTER_AUDIT_KILLS'] ?? 1);
const WORKERS = 12;
const ASKED: NewAuditRecord = {
  ...{ org: ORG, actor: 'p', actorName: 'Pat', action: 'query.start', outcome: 'allowed', from: '192.0.2.7' },
};
const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

let harness: ServiceHarness;
let agents: FakeAgent[];
let other: AuditTrail;
beforeAll(async () => {
  harness = await ServiceHarness.open();
  agents = await harness.agents(4);
  const nobody = { inc: () => undefined };
  other = new AuditTrail({
    ...{ streams: harness.broker.streams, clock: systemClock, logger: silentLogger },
    metrics: { auditLost: nobody, auditSuppressed: nobody },
  });
});
afterEach(async () => {
  await harness.stopServices();
  await harness.dropGateways();
});
afterAll(async () => {
  await other.stop();
  await harness.close();
});

async function chain(): Promise<ChainLink[]> {
  const links: ChainLink[] = [];
  const subject = STREAM_SUBJECTS.audit(ORG);
  for await (const { seq, data } of harness.broker.streams.read(STREAMS.audit.name, { subject })) {
    links.push({ seq, record: decodeRecord<AuditRecord>(data) });
  }
  return links;
}

/** How often each command was submitted, and how many ends of its target there are, by what the audit says. */
async function audited(ids: readonly CommandId[]): Promise<string[]> {
  const counts = new Map(ids.map((id): [string | undefined, number[]] => [id, [0, 0]]));
  for (const { record } of await chain()) {
    const count = counts.get(record.subject);
    if (count === undefined) continue;
    if (record.action === 'command.submit') count[0]! += 1;
    const changes = (record.details?.['changes'] ?? []) as { state: string; targets: number }[];
    for (const { state, targets } of changes) if (state === 'succeeded') count[1]! += targets;
  }
  return ids.map((id) => counts.get(id)!.join('+'));
}

async function everythingAudited(ids: readonly CommandId[]): Promise<void> {
  const all = ids.map(() => '1+1');
  await eventually(async () => (await audited(ids)).join() === all.join(), 'all are audited', 90_000).catch(() => null);
  expect(await audited(ids)).toEqual(all);
}

/** Submits until the service is killed, at a random moment. Returns the commands that were accepted. */
async function submitAndKill(victim: TestProcess): Promise<CommandId[]> {
  const accepted: CommandId[] = [];
  let isOver = false;
  const submit = async (worker: number): Promise<void> => {
    const target = { agentIds: [agents[worker % agents.length]!.agentId] };
    while (!isOver) {
      // Who is not answered has not been told that anything was accepted.
      const command = await harness.submit({ target }).catch(() => undefined);
      if (command !== undefined) accepted.push(command.record.id);
    }
  };
  for (let worker = 0; worker < WORKERS; worker += 1) void submit(worker);
  // Everybody else writes to the chain too.
  const busy = setInterval(() => Array.from({ length: 20 }, () => other.record(ASKED)), 10);
  const momentMs = 300 + Math.floor(Math.random() * 700);
  process.stderr.write(`killed after ${momentMs} ms\n`);
  await sleep(momentMs);
  await victim.kill();
  isOver = true;
  clearInterval(busy);
  await sleep(500);
  return [...accepted];
}

describe('what was accepted is in the audit once, with its end, when the service is killed at any moment', () => {
  test('and another one lives', async () => {
    await harness.gateway(agents);
    let victim = await harness.startService();
    for (let round = 0; round < ROUNDS; round += 1) {
      const next = await harness.startService();
      const ids = await submitAndKill(victim);
      for (const id of ids) await harness.ended(id);
      await everythingAudited(ids);
      victim = next;
    }
    expect(verifyChain(await chain()).faults).toEqual([]);
  });

  test('and it was the only one', async () => {
    await harness.gateway(agents);
    for (let round = 0; round < ROUNDS; round += 1) {
      const ids = await submitAndKill(await harness.startService());
      const next = await harness.startService();
      for (const id of ids) await harness.ended(id);
      await everythingAudited(ids);
      await next.kill();
    }
    expect(verifyChain(await chain()).faults).toEqual([]);
  });
});
