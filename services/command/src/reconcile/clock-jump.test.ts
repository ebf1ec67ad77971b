import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type CoordinatorHeartbeat } from '@muster/messages';
import type { CommandId, CoordinatorId } from '@muster/protocol';
import type { Timer } from '@muster/runtime';
import { CommandHarness, makeTestKeys, type TestKeys } from '../testing/command-harness.js';
import type { FakeAgent } from '../testing/fake-agent.js';

const HOUR_MS = 3_600_000;

let keys: TestKeys;
let harness: CommandHarness;
let aheadMs: number;
let beating: Timer;
beforeAll(async () => {
  keys = await makeTestKeys();
});
beforeEach(async () => {
  aheadMs = 0;
  harness = await new CommandHarness({ keys }).open();
  const { bus } = harness.broker.connect();
  // Two other processes, whose clocks are right.
  beating = harness.clock.setInterval(() => {
    for (const owner of ['q-7', 'q-8'] as CoordinatorId[]) {
      const beat: Partial<CoordinatorHeartbeat> = { t: 'owner_beat', owner, nowMs: harness.clock.now() };
      bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(beat as CoordinatorHeartbeat));
    }
  }, 1_000);
});
afterEach(async () => {
  harness.clock.clear(beating);
  await harness.close();
});

async function live(ms: number, ...agents: readonly FakeAgent[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await harness.pass(250);
    for (const agent of agents) agent.tick();
  }
  await harness.settle();
}
const statesOf = async (id: CommandId): Promise<Record<string, number>> => {
  const { ledger } = await harness.fold(id);
  return Object.fromEntries(Object.entries(ledger).filter(([state, count]) => state !== 'targeted' && count > 0));
};

/** One command with a target in each state: absent, sent without an answer, waiting in its lane, running. */
async function open(): Promise<{ id: CommandId; agents: readonly FakeAgent[] }> {
  const absent = await harness.agent();
  const [mute, waiting, busy] = [
    await harness.agent(),
    await harness.agent({ queueMs: () => 100_000 }),
    await harness.agent({ runMs: () => 60_000 }),
  ];
  let carries = true;
  harness.gateway('gw-1').connect(waiting, busy);
  harness.gateway('gw-2', (deliver) => (carries ? deliver() : undefined)).connect(mute);
  carries = false;
  await harness.pass(1_500);
  const { record } = await harness.submit({ expiresInMs: 600_000, timeoutMs: 120_000 });
  await harness.pass(200);
  const id = record.id;
  expect(await statesOf(id)).toEqual({ queued: 1, sent: 1, accepted: 1, running: 1 });
  return { id, agents: [absent, mute, waiting, busy] };
}

test.each([HOUR_MS, -HOUR_MS])('a clock that jumps by %i ms ends nothing, and holds nothing back', async (byMs) => {
  await harness.service({ aheadMs: () => aheadMs });
  const { id, agents } = await open();
  const [absent, , ...others] = agents;
  aheadMs = byMs;
  await live(30_000, ...others);
  expect(await statesOf(id)).toEqual({ queued: 1, sent: 1, accepted: 1, running: 1 });
  harness.gateway('gw-3').connect(absent!);
  await live(200_000, absent!, ...others);
  expect(await statesOf(id)).toEqual({ succeeded: 3, sent: 1 });
  // And what has expired by the time of the others has.
  await live(400_000, ...others);
  expect(await statesOf(id)).toEqual({ succeeded: 3, expired: 1 });
});

test('after a suspension of its machine, which the others confirm, what runs is heard before it is given up', async () => {
  await harness.service({ aheadMs: () => aheadMs });
  const { id, agents } = await open();
  // Its monotonic clock stood still for an hour, as all its timers; here the others go on by an hour instead.
  aheadMs = 0;
  harness.clock.jump(HOUR_MS);
  await harness.pass(8_000);
  const states = await statesOf(id);
  expect(states).toMatchObject({ accepted: 1, running: 1 });
  // The absent one has expired, an hour ago.
  expect(states).toMatchObject({ expired: 1, sent: 1 });
  agents[3]!.connected(agents[3]!.report!);
  await live(20_000, ...agents.slice(2));
  expect(await statesOf(id)).toMatchObject({ succeeded: 1 });
});

test('a service that starts with a wrong clock ends nothing either', async () => {
  const first = await harness.service();
  const { id } = await open();
  await first.kill();
  aheadMs = HOUR_MS;
  await harness.service({ aheadMs: () => aheadMs });
  await harness.pass(30_000);
  expect(await statesOf(id)).toEqual({ queued: 1, sent: 1, accepted: 1, running: 1 });
});
