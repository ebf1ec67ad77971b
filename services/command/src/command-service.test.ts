import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CommandLab, makeLabKeys, type LabKeys } from './testing/command-lab.js';

let keys: LabKeys;
let lab: CommandLab;
beforeAll(async () => {
  keys = await makeLabKeys();
});
beforeEach(async () => {
  lab = await new CommandLab({ keys }).open();
});
afterEach(() => lab.close());

describe('a command', () => {
  test('goes out to those who are connected, is reported, kept and settled', async () => {
    const agents = await lab.agents(3);
    await lab.service();
    const gateway = lab.gateway('gw-1');
    gateway.connect(...agents);
    const { record, ledger, repeated } = { ...(await lab.submit()), repeated: false };
    expect([ledger.targeted, repeated]).toEqual([3, false]);
    await lab.pass(100);
    const fold = await lab.fold(record.id);
    expect(fold.status).toBe('ended');
    expect(fold.ledger).toMatchObject({ targeted: 3, succeeded: 3 });
    expect(agents.map((agent, i) => agent.startsOf(record.id, i + 1))).toEqual([1, 1, 1]);
    expect(gateway.told.flatMap((message) => (message.t === 'command_kept' ? message.items : []))).toHaveLength(3);
    expect(await lab.ask({ t: 'list', org: record.org, limit: 10 })).toMatchObject({
      commands: [{ status: 'ended', ledger: { succeeded: 3 } }],
    });
  });
});
