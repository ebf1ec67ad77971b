import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import { decodeJournalEntry, encodeJournalEntry, encodeNumberSet } from '@muster/records';
import { ANN, CommandHarness, makeTestKeys, ORG, type TestKeys } from '../testing/command-harness.js';
import type { FakeAgent } from '../testing/fake-agent.js';
import type { FakeGateway } from '../testing/fake-gateway.js';

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
const ledger = async (id: CommandId) => (await harness.fold(id)).ledger;
const startsOf = (agents: readonly FakeAgent[]) => agents.map((agent) => [...agent.starts.values()]);

/** Advances the clock, and lets agents act. */
async function live(ms: number, agents: readonly FakeAgent[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await harness.pass(250);
    for (const agent of agents) agent.tick();
  }
  await harness.settle();
}

describe('a connected endpoint', () => {
  test('gets the command after one look-up in the registry', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    harness.gateway('gw-1').connect(agent!);
    await harness.pass(200);
    const before = harness.registry.lookups;
    const { record } = await harness.submit();
    await harness.pass(200);
    expect((await harness.fold(record.id)).status).toBe('ended');
    expect(harness.registry.lookups - before).toBe(1);
  });
});

describe('an endpoint that is not connected', () => {
  test('gets the command when it connects, and not before the journal has the `sent` entry', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    const { record } = await harness.submit();
    await harness.pass(3_000);
    expect((await harness.entries(record.id)).map(({ t }) => t)).toEqual(['submitted']);
    gateway.connect(agent!);
    await harness.pass(200);
    expect((await harness.fold(record.id)).status).toBe('ended');
    const [, sent] = await harness.entries(record.id);
    expect(sent).toMatchObject({ t: 'states', changes: [{ state: 'sent' }] });
  });

  test('and does not connect: the command expires and never runs', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const { record } = await harness.submit({ expiresInMs: 5_000 });
    await harness.pass(4_900);
    expect((await ledger(record.id)).queued).toBe(1);
    await harness.pass(1_200);
    expect(await harness.fold(record.id)).toMatchObject({ status: 'ended', ledger: { expired: 1 } });
    harness.gateway('gw-1').connect(agent!);
    await harness.pass(2_000);
    expect(startsOf([agent!])).toEqual([[]]);
  });

  test('and connects in the last moment, to another service: it is not expired as never tried', async () => {
    let meanwhile = true;
    const late = await new CommandHarness({
      keys,
      wrap: ({ bus, streams }) => {
        const append: typeof streams.append = async (subject, data, options) => {
          const entry = subject.includes('.journal.') ? decodeJournalEntry(data) : undefined;
          if (meanwhile && entry?.t === 'states' && entry.changes.some(({ state }) => state === 'expired')) {
            meanwhile = false;
            const sent = { state: 'sent', targets: encodeNumberSet([1]), code: '', message: '' } as const;
            await streams.append(subject, encodeJournalEntry({ t: 'states', atMs: entry.atMs - 1, changes: [sent] }));
          }
          return streams.append(subject, data, options);
        };
        return {
          bus,
          streams: {
            append,
            read: streams.read.bind(streams),
            last: streams.last.bind(streams),
          } as unknown as typeof streams,
        };
      },
    }).open();
    await late.agents(1);
    await late.service();
    const { record } = await late.submit({ expiresInMs: 2_000 });
    await late.pass(4_000);
    expect([meanwhile, (await late.fold(record.id)).state(1)]).toEqual([false, 'sent']);
    await late.pass(12_000);
    expect((await late.fold(record.id)).outcome(1)).toMatchObject({ state: 'expired', code: 'unconfirmed' });
    await late.close();
  });

  test('is found although its arrival was not announced', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    const { record } = await harness.submit();
    await harness.pass(2_500);
    gateway.register(agent!);
    gateway.connectSilently(agent!);
    await harness.pass(60_000);
    expect((await ledger(record.id)).succeeded).toBe(1);
  });
});

describe('a delivery that was lost', () => {
  test('is repeated after five seconds, then later each time, while the agent is connected', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1', () => undefined);
    gateway.connect(agent!);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    const counts: number[] = [];
    for (const ms of [100, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      await harness.pass(ms);
      counts.push(deliveries(gateway).length);
    }
    expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7]);
    gateway.disconnect(agent!);
    await harness.pass(120_000);
    expect(deliveries(gateway)).toHaveLength(7);
    expect((await ledger(record.id)).sent).toBe(1);
  });

  test('is not repeated every minute for an endpoint in the mode poll: it waits at its gateway', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const [gateway, other] = [harness.gateway('gw-1', () => undefined), harness.gateway('gw-2', () => undefined)];
    gateway.mode = 'poll';
    gateway.connect(agent!);
    await harness.pass(1_500);
    const { record } = await harness.submit({ expiresInMs: 3_600_000 });
    await harness.pass(6_000);
    expect(deliveries(gateway)).toHaveLength(2);
    await harness.pass(10 * 60_000);
    expect(deliveries(gateway)).toHaveLength(2);
    // It is repeated rarely, because a delivery may have been lost.
    await harness.pass(10 * 60_000);
    expect(deliveries(gateway)).toHaveLength(3);
    gateway.disconnect(agent!);
    other.connect(agent!);
    await harness.pass(500);
    expect(deliveries(other)).toHaveLength(1);
    expect((await ledger(record.id)).sent).toBe(1);
  });

  test('because the agent moved to another gateway: its route is looked up again', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const [old, now] = [harness.gateway('gw-old'), harness.gateway('gw-now')];
    now.connect(agent!);
    old.register(agent!);
    const asking = harness.ask(harness.request());
    await harness.settle();
    now.register(agent!);
    await asking;
    await harness.pass(6_000);
    expect(startsOf([agent!])).toEqual([[1]]);
  });
});

describe('without the registry', () => {
  test('commands are broadcast, and only gateways with a target deliver', async () => {
    const agents = await harness.agents(3);
    await harness.service();
    const [one, two] = [harness.gateway('gw-1'), harness.gateway('gw-2')];
    one.connect(agents[0]!);
    two.connect(agents[1]!);
    await harness.pass(1_500);
    harness.registry.store.available = false;
    const { record } = await harness.submit({ expiresInMs: 60_000 });
    await harness.pass(2_000);
    expect(await ledger(record.id)).toMatchObject({ succeeded: 2, sent: 1 });
    expect(deliveries(one)[0]).toMatchObject({ broadcast: true });
    await harness.pass(75_000);
    // It may have been delivered, so it is not expired as never tried.
    expect((await harness.fold(record.id)).outcome(3)).toMatchObject({ state: 'expired', code: 'unconfirmed' });
  });

  test('without its data, connected agents are found again after a resync', async () => {
    const [agent] = await harness.agents(1);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent!);
    harness.registry.store.empty();
    const { record } = await harness.submit();
    await harness.pass(500);
    expect((await ledger(record.id)).queued).toBe(1);
    gateway.register(agent!);
    await harness.pass(3_000);
    expect((await ledger(record.id)).succeeded).toBe(1);
  });
});

describe('several services', () => {
  test('share the commands; when one is killed another one takes over', async () => {
    const agents = await harness.agents(12);
    await harness.service();
    await harness.service();
    const gateway = harness.gateway('gw-1');
    await harness.pass(1_500);
    const ids: CommandId[] = [];
    for (const { agentId } of agents) ids.push((await harness.submit({ target: { agentIds: [agentId] } })).record.id);
    await harness.pass(500);
    await harness.services[0]!.kill();
    await harness.pass(5_000);
    gateway.connect(...agents);
    await harness.pass(1_000);
    for (const id of ids) expect((await harness.fold(id)).status).toBe('ended');
    expect(startsOf(agents)).toEqual(agents.map(() => [1]));
  });

  test('one that restarts knows everything from the journal', async () => {
    const agents = await harness.agents(2);
    const first = await harness.service();
    const { record } = await harness.submit();
    await first.kill();
    await harness.service();
    expect(await harness.ask({ t: 'list', org: ORG, limit: 5 })).toMatchObject({
      commands: [{ record: { id: record.id } }],
    });
    harness.gateway('gw-1').connect(...agents);
    await harness.pass(3_000);
    expect((await harness.fold(record.id)).ledger).toMatchObject({ succeeded: 2 });
  });

  test('one that stops hands over at once', async () => {
    const agents = await harness.agents(6);
    await harness.service();
    await harness.service();
    const gateway = harness.gateway('gw-1');
    await harness.pass(1_500);
    for (const { agentId } of agents) await harness.submit({ target: { agentIds: [agentId] } });
    await harness.services[0]!.stop();
    gateway.connect(...agents);
    await harness.pass(500);
    expect(startsOf(agents)).toEqual(agents.map(() => [1]));
  });
});

describe('a rollout', () => {
  const rollout = { canary: 1, step: '50%', pauseMs: 2_000, abortOver: 0.2 } as const;

  test('goes from the canary in waves, each after a pause', async () => {
    const agents = await harness.agents(5);
    await harness.service();
    harness.gateway('gw-1').connect(...agents);
    const { record, released } = await harness.submit({ rollout });
    const settled: number[] = [];
    expect(released).toBe(1);
    for (let i = 0; i < 4; i += 1) {
      await harness.pass(i === 0 ? 500 : 3_200);
      settled.push((await ledger(record.id)).succeeded);
    }
    expect(settled).toEqual([1, 4, 5, 5]);
    expect((await harness.fold(record.id)).status).toBe('ended');
  });

  test('stops by itself after too many failures: the rest never starts', async () => {
    const [canary] = await harness.agents(1, { outcome: () => 'failed' });
    const others = await harness.agents(4);
    await harness.service();
    harness.gateway('gw-1').connect(canary!, ...others);
    const { record } = await harness.submit({ rollout });
    await harness.pass(10_000);
    expect(await harness.fold(record.id)).toMatchObject({
      status: 'ended',
      cancel: { code: 'rollout_aborted', message: '1 of 1 failed; no more than 20% may' },
      ledger: { failed: 1, cancelled: 4 },
    });
    expect(startsOf(others).flat()).toEqual([]);
  });

  test('is not held up by absent agents, and keeps its wave size when they connect together', async () => {
    const agents = await harness.agents(4, { runMs: () => 2_000 });
    await harness.service();
    const gateway = harness.gateway('gw-1');
    const { record } = await harness.submit({ rollout: { ...rollout, step: 1, pauseMs: 0 } });
    await harness.pass(10_000);
    expect((await harness.fold(record.id)).released).toBe(4);
    gateway.connect(...agents);
    for (let i = 0; i < 16; i += 1) {
      await live(1_000, agents);
      const { sent, accepted, running } = await ledger(record.id);
      expect(sent + accepted + running).toBeLessThanOrEqual(1);
    }
    expect((await ledger(record.id)).succeeded).toBe(4);
  });

  test('stops when it is cancelled', async () => {
    const agents = await harness.agents(5);
    await harness.service();
    harness.gateway('gw-1').connect(...agents);
    const { record } = await harness.submit({ rollout });
    await harness.pass(500);
    await harness.ask({ t: 'cancel', org: ORG, caller: ANN, id: record.id });
    await harness.pass(10_000);
    expect(await ledger(record.id)).toMatchObject({ succeeded: 1, cancelled: 4 });
  });
});
