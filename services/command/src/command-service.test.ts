import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CommandHarness, makeTestKeys, type TestKeys } from './testing/command-harness.js';

let keys: TestKeys;
let harness: CommandHarness;
beforeAll(async () => {
  keys = await makeTestKeys();
});
beforeEach(async () => {
  harness = await new CommandHarness({ keys }).open();
});
afterEach(() => harness.close());

describe('a command', () => {
  test('is delivered to connected agents, reported, acknowledged and settled', async () => {
    const agents = await harness.agents(3);
    await harness.service();
    const gateway = harness.gateway('gw-1');
    gateway.connect(...agents);
    const { record, ledger, repeated } = { ...(await harness.submit()), repeated: false };
    expect([ledger.targeted, repeated]).toEqual([3, false]);
    await harness.pass(100);
    const fold = await harness.fold(record.id);
    expect(fold.status).toBe('ended');
    expect(fold.ledger).toMatchObject({ targeted: 3, succeeded: 3 });
    expect(agents.map((agent, i) => agent.startsOf(record.id, i + 1))).toEqual([1, 1, 1]);
    expect(gateway.received.flatMap((message) => (message.t === 'command_kept' ? message.items : []))).toHaveLength(3);
    expect(await harness.ask({ t: 'list', org: record.org, limit: 10 })).toMatchObject({
      commands: [{ status: 'ended', ledger: { succeeded: 3 } }],
    });
  });
});
