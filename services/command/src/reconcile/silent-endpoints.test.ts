import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import type { CommandFold } from '@muster/records';
import { CommandHarness, makeTestKeys, type TestKeys } from '../testing/command-harness.js';
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

const outcome = async (id: CommandId) => (await harness.fold(id)).outcome(1);
const states = async (id: CommandId): Promise<string[]> => {
  const { ledger } = await harness.fold(id);
  return Object.entries(ledger).flatMap(([state, count]) => (state !== 'targeted' && count > 0 ? [state] : []));
};
const deliveries = (gateway: FakeGateway): number => gateway.received.filter(({ t }) => t === 'command_deliver').length;

/** Advances the clock, and lets agents act. */
async function live(ms: number, ...agents: readonly FakeAgent[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await harness.pass(250);
    for (const agent of agents) agent.tick();
  }
  await harness.settle();
}

/** An agent that forgot what waited in its lane, and then runs it at once. */
async function forgetful(): Promise<{ agent: FakeAgent; crash: () => void }> {
  let queueMs = 3_600_000;
  const agent = await harness.agent({ queueMs: () => queueMs });
  return {
    agent,
    crash: () => {
      agent.crash();
      queueMs = 0;
    },
  };
}

describe('an order that waits in its lane', () => {
  test('is delivered again when the service and the agent have died and are back', async () => {
    const { agent, crash } = await forgetful();
    const first = await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await harness.pass(200);
    expect(await states(record.id)).toEqual(['accepted']);
    await first.kill();
    crash();
    gateway.disconnect(agent);
    await harness.service();
    // It is announced before the new service knows which commands are its own, and the registry does not have it yet.
    gateway.connect(agent);
    harness.registry.store.empty();
    await live(2_000, agent);
    expect([await states(record.id), [...agent.starts.values()]]).toEqual([['succeeded'], [1]]);
  });

  test('is delivered again by the service that takes it over', async () => {
    const { agent, crash } = await forgetful();
    const services = [await harness.service(), await harness.service()];
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    await harness.pass(1_500);
    const records = [];
    for (let i = 0; i < 8; i += 1) records.push((await harness.submit()).record.id);
    await harness.pass(200);
    // All services are deaf for a moment, so nobody hears that the agent is back.
    for (const { connection } of services) connection.bus.setConnected(false);
    crash();
    gateway.connect(agent);
    await services[0]!.kill();
    services[1]!.connection.bus.setConnected(true);
    await live(8_000, agent);
    for (const id of records) expect(await states(id)).toEqual(['succeeded']);
    expect([...agent.starts.values()]).toEqual(records.map(() => 1));
  });

  test('is offered until its endpoint is found, and then once', async () => {
    const { agent, crash } = await forgetful();
    const first = await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await harness.pass(200);
    await first.kill();
    crash();
    gateway.disconnect(agent);
    await harness.service();
    await harness.pass(30_000);
    const before = deliveries(gateway);
    gateway.connectSilently(agent);
    gateway.register(agent);
    await live(60_000, agent);
    expect([await states(record.id), deliveries(gateway) - before]).toEqual([['succeeded'], 1]);
  });

  test.each([100, 600, 1_100, 1_600])(
    'is delivered again when its acceptance is heard late (%i ms), by a service that missed that the endpoint forgot it and came back',
    async (afterMs) => {
      const { agent, crash } = await forgetful();
      const service = await harness.service();
      // What the agent says on a delivery is held back.
      const held: (() => void)[] = [];
      let isInside = false;
      const gateway = harness.gateway('gw-1', (deliver) => {
        if (isInside) return void held.push(deliver);
        isInside = true;
        deliver();
        isInside = false;
      });
      gateway.connect(agent);
      await harness.pass(1_500);
      const { record } = await harness.submit();
      await harness.pass(200);
      expect([await states(record.id), held.length]).toEqual([['sent'], 1]);
      service.connection.bus.setConnected(false);
      crash();
      gateway.connect(agent);
      await harness.pass(5_000);
      service.connection.bus.setConnected(true);
      // It hears again with its next heartbeat, and asks the endpoints one second later.
      await harness.pass(afterMs);
      for (const report of held.splice(0)) report();
      await live(20_000, agent);
      for (const report of held.splice(0)) report();
      await harness.settle();
      expect([await states(record.id), [...agent.starts.values()]]).toEqual([['succeeded'], [1]]);
    },
  );

  test('of an endpoint that has it is not delivered again and again', async () => {
    const agent = await harness.agent({ queueMs: () => 3_000_000 });
    const first = await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    await harness.pass(1_500);
    const { record } = await harness.submit();
    await first.kill();
    await harness.service();
    await harness.pass(20_000);
    const before = deliveries(gateway);
    await harness.pass(600_000);
    expect([await states(record.id), deliveries(gateway) - before]).toEqual([['accepted'], 0]);
  });
});

describe('an endpoint that accepted a command and does not report', () => {
  test('times out after the timeout of the action; a later report is kept as its late outcome', async () => {
    const agent = await harness.agent({ runMs: () => 60_000 });
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    const { record } = await harness.submit({ timeoutMs: 5_000 });
    await live(44_000, agent);
    expect(await states(record.id)).toEqual(['running']);
    await live(4_000, agent);
    expect(await outcome(record.id)).toMatchObject({ state: 'timed_out', code: 'no_report' });
    await live(20_000, agent);
    const fold = await harness.fold(record.id);
    expect([fold.state(1), fold.late(1)?.state]).toEqual(['timed_out', 'succeeded']);
    const acks = gateway.received.filter(({ t }) => t === 'command_kept');
    expect(acks.length).toBeGreaterThan(0);
  });

  test('because it has no session is not given up before it is back', async () => {
    const agent = await harness.agent({ runMs: () => 50_000 });
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    const { record } = await harness.submit({ timeoutMs: 5_000 });
    await harness.pass(200);
    gateway.disconnect(agent);
    await live(300_000, agent);
    expect(await states(record.id)).toEqual(['running']);
    gateway.connect(agent);
    await live(1_000, agent);
    const fold = await harness.fold(record.id);
    expect([fold.state(1), fold.late(1)]).toEqual(['succeeded', undefined]);
  });

  test('because it has no session is given up when the command could not run any more', async () => {
    const agent = await harness.agent({ runMs: () => 50_000 });
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(agent);
    const { record } = await harness.submit({ timeoutMs: 5_000, expiresInMs: 100_000 });
    await harness.pass(200);
    gateway.disconnect(agent);
    await live(144_000, agent);
    expect(await states(record.id)).toEqual(['running']);
    await live(3_000, agent);
    expect(await outcome(record.id)).toMatchObject({ state: 'timed_out', code: 'no_report' });
  });

  test('because it is away counts as a failure of a rollout, which does not wait for it', async () => {
    const [canary, ...others] = await harness.agents(3, { runMs: () => 1_000 });
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(canary!);
    const rollout = { canary: 1, step: 1, pauseMs: 0, abortOver: 0 } as const;
    const { record } = await harness.submit({ timeoutMs: 5_000, rollout });
    await harness.pass(200);
    gateway.disconnect(canary!);
    gateway.connect(...others);
    await live(60_000, ...others);
    expect(await harness.fold(record.id)).toMatchObject({
      cancel: { code: 'rollout_aborted' },
      ledger: { running: 1, cancelled: 2 },
    });
  });
});

describe('time in which nobody could hear the endpoint does not count', () => {
  const lost = async (): Promise<{ agent: FakeAgent; gateway: FakeGateway; carries: (does: boolean) => void }> => {
    const agent = await harness.agent({ runMs: () => 3_000 });
    let does = true;
    const gateway = harness.gateway('gw-1', (deliver) => (does ? deliver() : undefined));
    gateway.connect(agent);
    return { agent, gateway, carries: (next) => void (does = next) };
  };
  const running = async (): Promise<CommandId> => {
    const { record } = await harness.submit({ timeoutMs: 5_000, expiresInMs: 30_000 });
    await harness.pass(200);
    expect(await states(record.id)).toEqual(['running']);
    return record.id;
  };
  /** What the endpoint says gets through only 35 s after the service is back. */
  async function heardLate(id: CommandId, agent: FakeAgent, carries: (does: boolean) => void): Promise<CommandFold> {
    carries(false);
    await live(35_000, agent);
    expect(await states(id)).toEqual(['running']);
    carries(true);
    agent.connected(agent.report!);
    await live(1_000, agent);
    return harness.fold(id);
  }

  test('the service was away for 65 s', async () => {
    const { agent, carries } = await lost();
    const first = await harness.service();
    const id = await running();
    await first.kill();
    await live(65_000, agent);
    await harness.service();
    const fold = await heardLate(id, agent, carries);
    expect([fold.state(1), fold.late(1)]).toEqual(['succeeded', undefined]);
  });

  test('the service was frozen, or its broker was, for 65 s', async () => {
    const { agent, carries } = await lost();
    const service = await harness.service();
    const id = await running();
    service.connection.bus.setConnected(false);
    await live(65_000, agent);
    service.connection.bus.setConnected(true);
    const fold = await heardLate(id, agent, carries);
    expect([fold.state(1), fold.late(1)]).toEqual(['succeeded', undefined]);
  });

  test('the session was away for 65 s', async () => {
    const { agent, gateway, carries } = await lost();
    await harness.service();
    const { record } = await harness.submit({ timeoutMs: 5_000, expiresInMs: 90_000 });
    await harness.pass(200);
    gateway.disconnect(agent);
    await live(65_000, agent);
    carries(false);
    gateway.connect(agent);
    const fold = await heardLate(record.id, agent, carries);
    expect([fold.state(1), fold.late(1)]).toEqual(['succeeded', undefined]);
  });

  test('who still says nothing is given up after 40 s', async () => {
    const { agent, carries } = await lost();
    const first = await harness.service();
    const id = await running();
    await first.kill();
    await live(65_000, agent);
    carries(false);
    await harness.service();
    await live(44_000, agent);
    expect(await outcome(id)).toMatchObject({ state: 'timed_out', code: 'no_report' });
  });
});
