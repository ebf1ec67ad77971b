import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import { CommandHarness, makeTestKeys, type TestKeys } from '../testing/command-harness.js';
import type { AgentBehaviour, FakeAgent } from '../testing/fake-agent.js';
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

const kept = (gateway: FakeGateway): number => gateway.received.filter(({ t }) => t === 'command_kept').length;
const NO_ROOM = { code: 'ledger_unavailable' };

/** A command to an endpoint whose disk is full. */
async function refused(
  behaviour: Partial<AgentBehaviour> = {},
): Promise<{ agent: FakeAgent; gateway: FakeGateway; id: CommandId }> {
  const agent = await harness.agent(behaviour);
  agent.hasRoom = false;
  await harness.service();
  const gateway = harness.gateway('gw-1');
  gateway.connect(agent);
  await harness.pass(1_500);
  const { record } = await harness.submit({ expiresInMs: 200_000 });
  await harness.pass(200);
  return { agent, gateway, id: record.id };
}

describe('an endpoint that cannot write down what it runs', () => {
  test('has not settled: its target stays open with the reason, and what it said is acknowledged', async () => {
    const { id, gateway } = await refused();
    const fold = await harness.fold(id);
    expect([fold.status, fold.outcome(1)]).toEqual(['running', expect.objectContaining({ state: 'sent', ...NO_ROOM })]);
    expect(kept(gateway)).toBe(1);
  });

  test('is offered the command again, not often, and runs it when there is room', async () => {
    const { id, gateway, agent } = await refused();
    await harness.pass(100_000);
    const offers = gateway.received.filter(({ t }) => t === 'command_deliver').length;
    expect([offers >= 3, offers <= 6]).toEqual([true, true]);
    expect(await harness.entries(id)).toHaveLength(2);
    agent.hasRoom = true;
    await harness.pass(61_000);
    const fold = await harness.fold(id);
    expect([fold.state(1), fold.late(1), [...agent.starts.values()]]).toEqual(['succeeded', undefined, [1]]);
  });

  test('may say that it took the command and waits for room: also after it said that the command waits in its queue', async () => {
    const { id, agent, gateway } = await refused({ queueMs: () => 60_000 });
    const said = { id, number: 1, state: 'accepted', ...NO_ROOM, message: 'full', authentic: true } as const;
    agent.report!(said);
    await harness.pass(1_000);
    const fold = await harness.fold(id);
    expect(fold.outcome(1)).toMatchObject({ state: 'accepted', ...NO_ROOM, message: 'full' });
    expect(kept(gateway)).toBe(0);
    agent.report!({ ...said, state: 'succeeded', code: 'ok' });
    await harness.pass(1_000);
    expect((await harness.fold(id)).state(1)).toBe('succeeded');
  });

  test('may be killed, and runs it when it is back: nothing that was kept says otherwise', async () => {
    const { id, gateway, agent } = await refused();
    agent.crash();
    gateway.disconnect(agent);
    agent.hasRoom = true;
    await harness.pass(1_000);
    gateway.connect(agent);
    await harness.pass(1_000);
    const fold = await harness.fold(id);
    expect([fold.state(1), fold.late(1), [...agent.starts.values()]]).toEqual(['succeeded', undefined, [1]]);
  });

  test('when the turn of the command comes, too', async () => {
    const { id, agent } = await refused({ queueMs: () => 2_000 });
    await harness.pass(2_500);
    agent.tick();
    await harness.pass(200);
    expect((await harness.fold(id)).outcome(1)).toMatchObject({ state: 'accepted', ...NO_ROOM });
    agent.hasRoom = true;
    for (let i = 0; i < 20; i += 1) {
      await harness.pass(1_000);
      agent.tick();
    }
    expect([(await harness.fold(id)).state(1), [...agent.starts.values()]]).toEqual(['succeeded', [1]]);
  });

  test('until the command expires has not run it', async () => {
    const { id, agent } = await refused();
    await harness.pass(212_000);
    expect((await harness.fold(id)).outcome(1)).toMatchObject({ state: 'expired', ...NO_ROOM });
    expect([...agent.starts.values()]).toEqual([]);
  });

  test('is heard out when it says so after the command has ended', async () => {
    const { id, gateway, agent } = await refused();
    agent.hasRoom = true;
    await harness.pass(61_000);
    const before = [kept(gateway), (await harness.entries(id)).length];
    agent.report!({ id, number: 1, state: 'refused', ...NO_ROOM, message: '', authentic: true });
    await harness.pass(1_000);
    expect([kept(gateway), (await harness.entries(id)).length]).toEqual([before[0]! + 1, before[1]]);
  });
});
