import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { commandLedgerSettled, type CommandId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { ANN, BOB, commandOf, ORG, submitRequest } from './testing/command-harness.js';
import type { FakeAgent } from './testing/fake-agent.js';
import { ServiceHarness } from './testing/service-harness.js';

let harness: ServiceHarness;
beforeAll(async () => {
  harness = await ServiceHarness.open();
});
afterEach(async () => {
  await harness.stopServices();
  await harness.dropGateways();
});
afterAll(() => harness.close());

const targetsOf = (agents: readonly FakeAgent[]) => ({ agentIds: agents.map(({ agentId }) => agentId) });
const startsOf = (agents: readonly FakeAgent[], id: CommandId) =>
  agents.flatMap((agent) => [...agent.starts].filter(([key]) => key.startsWith(id)).map(([, count]) => count));
const once = (agents: readonly unknown[]) => agents.map(() => 1);

describe('a command service that is killed', () => {
  test('between signature and last report: another one goes on, and nothing runs twice', async () => {
    const agents = await harness.agents(40, { runMs: () => 1_500 });
    const [first] = [await harness.startService(), await harness.startService()];
    await harness.gateway(agents.slice(0, 20));
    const commands = await Promise.all(
      agents.map((agent) =>
        harness.submit({ target: targetsOf([agent]) }).then(({ record }) => ({ agent, id: record.id })),
      ),
    );
    await first.kill();
    await harness.gateway(agents.slice(20));
    for (const { agent, id } of commands) {
      expect((await harness.ended(id)).ledger.succeeded).toBe(1);
      expect(startsOf([agent], id)).toEqual([1]);
    }
  });

  test('and was the only one: the next one rebuilds its pending deliveries from the journal', async () => {
    const agents = await harness.agents(20, { runMs: () => 1_000 });
    const only = await harness.startService();
    await harness.gateway(agents.slice(0, 10));
    const { record } = await harness.submit({ target: targetsOf(agents) });
    await harness.until(record.id, ({ ledger }) => ledger.sent < 10);
    await only.kill();
    await harness.startService();
    await harness.gateway(agents.slice(10));
    expect((await harness.ended(record.id)).ledger.succeeded).toBe(20);
    expect(startsOf(agents, record.id)).toEqual(once(agents));
  });
});

test('a command service and an agent that are killed while the order waits in its lane: both back, it runs once', async () => {
  let queueMs = 3_600_000;
  const agents = await harness.agents(5, { queueMs: () => queueMs });
  const only = await harness.startService();
  const gateway = await harness.gateway(agents);
  const { record } = await harness.submit({ target: targetsOf(agents) });
  await harness.until(record.id, ({ ledger }) => ledger.accepted === 5);
  await only.kill();
  for (const agent of agents) {
    agent.crash();
    gateway.disconnect(agent);
  }
  queueMs = 0;
  const starting = harness.startService();
  gateway.connect(...agents);
  await starting;
  expect((await harness.ended(record.id)).ledger.succeeded).toBe(5);
  expect(startsOf(agents, record.id)).toEqual(once(agents));
});

describe('brokers that are killed', () => {
  test('Redis, with its data: commands are delivered while it is away, and after it is back', async () => {
    const agents = await harness.agents(10);
    await harness.startService();
    const gateway = await harness.gateway(agents);
    await harness.brokers.redis.kill9();
    const away = await harness.submit({ target: targetsOf(agents.slice(0, 5)) });
    expect((await harness.ended(away.record.id)).ledger.succeeded).toBe(5);
    await harness.brokers.redis.restart();
    const emptied = await harness.submit({ target: targetsOf(agents.slice(5)) });
    await eventually(async () => {
      await harness.register(gateway, agents);
      return true;
    });
    expect((await harness.ended(emptied.record.id)).ledger.succeeded).toBe(5);
    expect(startsOf(agents, away.record.id)).toEqual(once(agents.slice(0, 5)));
  });

  test('Redis that stands still delays no acceptance: commands are broadcast, and routed again when it goes on', async () => {
    const agents = await harness.agents(30);
    await harness.startService();
    const gateway = await harness.gateway(agents);
    await harness.submit({ target: targetsOf(agents.slice(0, 1)) });
    await harness.brokers.redis.freeze();
    const took: number[] = [];
    try {
      for (let n = 1; n < 11; n += 1) {
        const target = targetsOf(agents.slice(n, n + 1));
        const startedMs = performance.now();
        const { record } = await harness.submit({ target });
        took.push(performance.now() - startedMs);
        expect((await harness.ended(record.id)).ledger.succeeded).toBe(1);
      }
    } finally {
      await harness.brokers.redis.resume();
    }
    // The first ones learn that it is silent.
    expect(Math.max(...took)).toBeLessThan(1_000);
    await eventually(async () => {
      await harness.register(gateway, agents);
      return true;
    });
    const { record } = await harness.submit({ target: targetsOf(agents.slice(20)) });
    expect((await harness.ended(record.id)).ledger.succeeded).toBe(10);
  });

  test('NATS, with its store: accepted commands go on', async () => {
    const agents = await harness.agents(10, { runMs: () => 500 });
    await harness.startService();
    const gateway = await harness.gateway(agents.slice(0, 5));
    const { record } = await harness.submit({ target: targetsOf(agents) });
    await harness.brokers.nats.kill9();
    await harness.brokers.nats.restart();
    await eventually(() => harness.broker.bus.flush(500));
    gateway.announce();
    await harness.gateway(agents.slice(5));
    expect((await harness.ended(record.id)).ledger.succeeded).toBe(10);
    expect(startsOf(agents, record.id)).toEqual(once(agents));
  });
});

describe('two services', () => {
  test('with the same request key create one command', async () => {
    const agents = await harness.agents(2);
    await Promise.all([harness.startService(), harness.startService()]);
    await harness.gateway(agents);
    const request = submitRequest({ target: targetsOf(agents), requestKey: 'twice' });
    const replies = await Promise.all(Array.from({ length: 8 }, () => harness.ask(request)));
    const ids = new Set(replies.map((reply) => commandOf(reply).record.id));
    expect(ids.size).toBe(1);
    const [id] = [...ids];
    expect((await harness.ended(id!)).ledger.succeeded).toBe(2);
    expect(agents.map((agent) => agent.starts.size)).toEqual([1, 1]);
  });

  test('that approve and cancel at the same time: the first entry counts', async () => {
    const agents = await harness.agents(3);
    await Promise.all([harness.startService(), harness.startService()]);
    await harness.gateway(agents);
    const request = { action: 'dns.flush', params: {}, target: targetsOf(agents) };
    for (let round = 0; round < 5; round += 1) {
      const { record } = await harness.submit(request);
      const about = { org: ORG, id: record.id } as const;
      const [approved] = await Promise.all([
        harness.ask({ t: 'approve', caller: BOB, ...about }),
        harness.ask({ t: 'cancel', caller: ANN, ...about }),
      ]);
      const { ledger } = await harness.ended(record.id);
      expect(ledger.succeeded + ledger.cancelled).toBe(3);
      if (approved.t === 'problem') expect(ledger.cancelled).toBe(3);
    }
  });
});

test('15,000 targets in one command: accepted within a second on an idle machine, settled within a few', async () => {
  const agents = await harness.agents(15_000);
  for (const [i, agent] of agents.entries()) agent.skipsVerification = i % 50 !== 0;
  const service = await harness.startService();
  await harness.gateway(agents.slice(0, 7_500));
  await harness.gateway(agents.slice(7_500));
  const startedMs = performance.now();
  const { record, ledger } = await harness.submit({ target: targetsOf(agents) });
  const acceptedMs = performance.now() - startedMs;
  expect(ledger).toMatchObject({ targeted: 15_000, sent: 15_000 });
  const fold = await harness.ended(record.id);
  const settledMs = performance.now() - startedMs;
  expect(fold.ledger.succeeded).toBe(15_000);
  expect(commandLedgerSettled(fold.ledger)).toBe(true);
  const metrics = await (await fetch(`${service.healthUrl}/metrics`)).text();
  const bytes = Number(/muster_command_journal_bytes_total (\d+)/.exec(metrics)?.[1]);
  process.stdout.write(
    `15,000 targets: accepted in ${acceptedMs.toFixed(0)} ms, settled in ${settledMs.toFixed(0)} ms, ` +
      `${(bytes / 15_000).toFixed(2)} journal bytes per target\n`,
  );
  // Ten times what an idle machine takes at most, because tests run beside each other.
  expect(acceptedMs).toBeLessThan(10_000);
  expect(metrics).not.toMatch(new RegExp(`${record.id}|host-|${agents[0]!.agentId}`));
});
