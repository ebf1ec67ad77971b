import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import { decodeJournalEntry, encodeJournalEntry, encodeNumberSet } from '@muster/records';
import { ANN, CommandLab, makeLabKeys, ORG, type LabKeys } from '../testing/command-lab.js';
import type { ModelAgent } from '../testing/model-agent.js';
import type { ModelGateway } from '../testing/model-gateway.js';

let keys: LabKeys;
let lab: CommandLab;
beforeAll(async () => {
  keys = await makeLabKeys();
});
beforeEach(async () => {
  lab = await new CommandLab({ keys }).open();
});
afterEach(() => lab.close());

const deliveries = (gateway: ModelGateway) => gateway.told.filter(({ t }) => t === 'command_deliver');
const ledger = async (id: CommandId) => (await lab.fold(id)).ledger;
const startsOf = (agents: readonly ModelAgent[]) => agents.map((agent) => [...agent.starts.values()]);

/** Time passes for agents too. */
async function live(ms: number, agents: readonly ModelAgent[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await lab.pass(250);
    for (const agent of agents) agent.tick();
  }
  await lab.settle();
}

describe('an endpoint that is there', () => {
  test('gets the command after one look into the registry', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    lab.gateway('gw-1').connect(agent!);
    await lab.pass(200);
    const before = lab.registry.lookups;
    const { record } = await lab.submit();
    await lab.pass(200);
    expect((await lab.fold(record.id)).status).toBe('ended');
    expect(lab.registry.lookups - before).toBe(1);
  });
});

describe('an endpoint that is away', () => {
  test('gets the command when it comes, and not before the journal says that it is sent', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const gateway = lab.gateway('gw-1');
    const { record } = await lab.submit();
    await lab.pass(3_000);
    expect((await lab.entries(record.id)).map(({ t }) => t)).toEqual(['submitted']);
    gateway.connect(agent!);
    await lab.pass(200);
    expect((await lab.fold(record.id)).status).toBe('ended');
    const [, sent] = await lab.entries(record.id);
    expect(sent).toMatchObject({ t: 'states', changes: [{ state: 'sent' }] });
  });

  test('and does not come: the command expires, exactly, and never runs', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const { record } = await lab.submit({ expiresInMs: 5_000 });
    await lab.pass(4_900);
    expect((await ledger(record.id)).queued).toBe(1);
    await lab.pass(1_200);
    expect(await lab.fold(record.id)).toMatchObject({ status: 'ended', ledger: { expired: 1 } });
    lab.gateway('gw-1').connect(agent!);
    await lab.pass(2_000);
    expect(startsOf([agent!])).toEqual([[]]);
  });

  test('and comes in the last moment, heard by another service: it is not called expired for never having been tried', async () => {
    let meanwhile = true;
    const late = await new CommandLab({
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

  test('whose arrival nobody heard is found all the same', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const gateway = lab.gateway('gw-1');
    const { record } = await lab.submit();
    await lab.pass(2_500);
    lab.registry.held.set(agent!.agentId, { org: ORG, num: agent!.num, gatewayId: gateway.id });
    gateway.connectSilently(agent!);
    await lab.pass(60_000);
    expect((await ledger(record.id)).succeeded).toBe(1);
  });
});

describe('a delivery that was lost', () => {
  test('is made again after five seconds, then later each time, while the agent seems to be there', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const gateway = lab.gateway('gw-1', () => undefined);
    gateway.connect(agent!);
    await lab.pass(1_500);
    const { record } = await lab.submit();
    const counts: number[] = [];
    for (const ms of [100, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      await lab.pass(ms);
      counts.push(deliveries(gateway).length);
    }
    expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7]);
    gateway.disconnect(agent!);
    await lab.pass(120_000);
    expect(deliveries(gateway)).toHaveLength(7);
    expect((await ledger(record.id)).sent).toBe(1);
  });

  test('is not made every minute to an endpoint that polls: it waits at its gateway, and says when it is elsewhere', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    lab.registry.mode = 'poll';
    const [gateway, other] = [lab.gateway('gw-1', () => undefined), lab.gateway('gw-2', () => undefined)];
    gateway.connect(agent!);
    await lab.pass(1_500);
    const { record } = await lab.submit({ expiresInMs: 3_600_000 });
    await lab.pass(6_000);
    expect(deliveries(gateway)).toHaveLength(2);
    await lab.pass(10 * 60_000);
    expect(deliveries(gateway)).toHaveLength(2);
    // Now and then all the same: what was said may have been lost.
    await lab.pass(10 * 60_000);
    expect(deliveries(gateway)).toHaveLength(3);
    gateway.disconnect(agent!);
    other.connect(agent!);
    await lab.pass(500);
    expect(deliveries(other)).toHaveLength(1);
    expect((await ledger(record.id)).sent).toBe(1);
  });

  test('because the gateway had lost the agent: looked up again', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const [old, now] = [lab.gateway('gw-old'), lab.gateway('gw-now')];
    now.connect(agent!);
    lab.registry.held.set(agent!.agentId, { org: ORG, num: agent!.num, gatewayId: old.id });
    const asking = lab.ask(lab.order());
    await lab.settle();
    lab.registry.held.set(agent!.agentId, { org: ORG, num: agent!.num, gatewayId: now.id });
    await asking;
    await lab.pass(6_000);
    expect(startsOf([agent!])).toEqual([[1]]);
  });
});

describe('without the registry', () => {
  test('commands go out by broadcast, and only those who hold a target act', async () => {
    const agents = await lab.agents(3);
    await lab.service();
    const [one, two] = [lab.gateway('gw-1'), lab.gateway('gw-2')];
    one.connect(agents[0]!);
    two.connect(agents[1]!);
    await lab.pass(1_500);
    lab.registry.up = false;
    const { record } = await lab.submit({ expiresInMs: 60_000 });
    await lab.pass(2_000);
    expect(await ledger(record.id)).toMatchObject({ succeeded: 2, sent: 1 });
    expect(deliveries(one)[0]).toMatchObject({ broadcast: true });
    await lab.pass(75_000);
    // Nobody can say that it was not delivered, so it is not called expired for never having been tried.
    expect((await lab.fold(record.id)).outcome(3)).toMatchObject({ state: 'expired', code: 'unconfirmed' });
  });

  test('emptied, it misses those who are connected only until they are asserted again', async () => {
    const [agent] = await lab.agents(1);
    await lab.service();
    const gateway = lab.gateway('gw-1');
    gateway.connect(agent!);
    const held = new Map(lab.registry.held);
    lab.registry.held.clear();
    const { record } = await lab.submit();
    await lab.pass(500);
    expect((await ledger(record.id)).queued).toBe(1);
    for (const [id, entry] of held) lab.registry.held.set(id, entry);
    await lab.pass(3_000);
    expect((await ledger(record.id)).succeeded).toBe(1);
  });
});

describe('an endpoint that took it and falls silent', () => {
  test('is given up after the time that the action may take; what it says later is kept as late', async () => {
    const [agent] = await lab.agents(1, { runMs: () => 50_000 });
    await lab.service();
    const gateway = lab.gateway('gw-1');
    gateway.connect(agent!);
    const { record } = await lab.submit({ timeoutMs: 5_000 });
    await lab.pass(200);
    expect((await ledger(record.id)).running).toBe(1);
    gateway.disconnect(agent!);
    await live(40_000, [agent!]);
    expect((await lab.fold(record.id)).outcome(1)).toMatchObject({ state: 'timed_out', code: 'no_report' });
    await live(20_000, [agent!]);
    gateway.connect(agent!);
    await live(3_000, [agent!]);
    const fold = await lab.fold(record.id);
    expect([fold.state(1), fold.late(1)?.state]).toEqual(['timed_out', 'succeeded']);
    const kept = gateway.told.filter(({ t }) => t === 'command_kept');
    expect(kept.length).toBeGreaterThan(0);
  });
});

describe('several services', () => {
  test('share the commands; when one is killed its commands go on with another', async () => {
    const agents = await lab.agents(12);
    await lab.service();
    await lab.service();
    const gateway = lab.gateway('gw-1');
    await lab.pass(1_500);
    const ids: CommandId[] = [];
    for (const { agentId } of agents) ids.push((await lab.submit({ target: { agentIds: [agentId] } })).record.id);
    await lab.pass(500);
    await lab.services[0]!.kill();
    await lab.pass(5_000);
    gateway.connect(...agents);
    await lab.pass(1_000);
    for (const id of ids) expect((await lab.fold(id)).status).toBe('ended');
    expect(startsOf(agents)).toEqual(agents.map(() => [1]));
  });

  test('one that starts again knows everything from the journal', async () => {
    const agents = await lab.agents(2);
    const first = await lab.service();
    const { record } = await lab.submit();
    await first.kill();
    await lab.service();
    expect(await lab.ask({ t: 'list', org: ORG, limit: 5 })).toMatchObject({
      commands: [{ record: { id: record.id } }],
    });
    lab.gateway('gw-1').connect(...agents);
    await lab.pass(3_000);
    expect((await lab.fold(record.id)).ledger).toMatchObject({ succeeded: 2 });
  });

  test('one that stops in an orderly way hands over at once', async () => {
    const agents = await lab.agents(6);
    await lab.service();
    await lab.service();
    const gateway = lab.gateway('gw-1');
    await lab.pass(1_500);
    for (const { agentId } of agents) await lab.submit({ target: { agentIds: [agentId] } });
    await lab.services[0]!.stop();
    gateway.connect(...agents);
    await lab.pass(500);
    expect(startsOf(agents)).toEqual(agents.map(() => [1]));
  });
});

describe('a rollout', () => {
  const rollout = { canary: 1, step: '50%', pauseMs: 2_000, abortOver: 0.2 } as const;

  test('goes from the canary in waves, each after a pause', async () => {
    const agents = await lab.agents(5);
    await lab.service();
    lab.gateway('gw-1').connect(...agents);
    const { record, released } = await lab.submit({ rollout });
    const settled: number[] = [];
    expect(released).toBe(1);
    for (let i = 0; i < 4; i += 1) {
      await lab.pass(i === 0 ? 500 : 3_200);
      settled.push((await ledger(record.id)).succeeded);
    }
    expect(settled).toEqual([1, 4, 5, 5]);
    expect((await lab.fold(record.id)).status).toBe('ended');
  });

  test('stops by itself when more fail than may: the rest never starts', async () => {
    const [canary] = await lab.agents(1, { outcome: () => 'failed' });
    const others = await lab.agents(4);
    await lab.service();
    lab.gateway('gw-1').connect(canary!, ...others);
    const { record } = await lab.submit({ rollout });
    await lab.pass(10_000);
    expect(await lab.fold(record.id)).toMatchObject({
      status: 'ended',
      cancel: { code: 'rollout_aborted', message: '1 of 1 failed; no more than 20% may' },
      ledger: { failed: 1, cancelled: 4 },
    });
    expect(startsOf(others).flat()).toEqual([]);
  });

  test('is not held up by those who are away, and does not flood those who come together', async () => {
    const agents = await lab.agents(4, { runMs: () => 2_000 });
    await lab.service();
    const gateway = lab.gateway('gw-1');
    const { record } = await lab.submit({ rollout: { ...rollout, step: 1, pauseMs: 0 } });
    await lab.pass(10_000);
    expect((await lab.fold(record.id)).released).toBe(4);
    gateway.connect(...agents);
    for (let i = 0; i < 16; i += 1) {
      await live(1_000, agents);
      const { sent, accepted, running } = await ledger(record.id);
      expect(sent + accepted + running).toBeLessThanOrEqual(1);
    }
    expect((await ledger(record.id)).succeeded).toBe(4);
  });

  test('cancelled in the middle stays where it is', async () => {
    const agents = await lab.agents(5);
    await lab.service();
    lab.gateway('gw-1').connect(...agents);
    const { record } = await lab.submit({ rollout });
    await lab.pass(500);
    await lab.ask({ t: 'cancel', org: ORG, caller: ANN, id: record.id });
    await lab.pass(10_000);
    expect(await ledger(record.id)).toMatchObject({ succeeded: 1, cancelled: 4 });
  });
});

describe('an endpoint that does not believe a command', () => {
  test('is asked twice more; the third refusal counts, and each is in the audit chain', async () => {
    const [agent] = await lab.agents(1);
    agent!.distrusts = true;
    await lab.service();
    const gateway = lab.gateway('gw-1');
    gateway.connect(agent!);
    const { record } = await lab.submit();
    await lab.pass(1_000);
    expect((await lab.fold(record.id)).outcome(1)).toMatchObject({ state: 'refused', code: 'bad_signature' });
    expect(deliveries(gateway)).toHaveLength(3);
    const refusals = (await lab.audit()).filter(({ action }) => action === 'command.refused_by_agent');
    expect(refusals).toHaveLength(3);
    expect(refusals[0]).toMatchObject({ actor: agent!.agentId, code: 'bad_signature', subject: record.id });
  });
});

test('a report from another agent’s session changes nothing', async () => {
  const [agent, thief] = await lab.agents(2, { laneMs: () => 60_000 });
  await lab.service();
  const gateway = lab.gateway('gw-1');
  gateway.connect(agent!, thief!);
  const { record } = await lab.submit({ target: { agentIds: [agent!.agentId] } });
  await lab.pass(200);
  thief!.report!({ id: record.id, number: 1, state: 'succeeded', code: 'done', message: '', authentic: true });
  await lab.pass(500);
  expect((await ledger(record.id)).accepted).toBe(1);
});

test('an outcome of a command that the journal does not have is not repeated for ever', async () => {
  const [agent] = await lab.agents(1);
  await lab.service();
  const gateway = lab.gateway('gw-1');
  gateway.connect(agent!);
  const id = 'c0000000000000000000000000' as CommandId;
  agent!.report!({ id, number: 1, state: 'succeeded', code: 'done', message: '', authentic: true });
  await lab.pass(5_000);
  expect(gateway.told).toContainEqual({ t: 'command_kept', items: [[agent!.agentId, id, 1]] });
});
