import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { DirectoryWriter } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { ProxyHarness } from '../kit/proxy-harness.js';

describe('the real agent', () => {
  let harness: ProxyHarness;
  let broker: Broker;
  let writer: DirectoryWriter;
  beforeAll(async () => {
    harness = await ProxyHarness.open();
    const servers = [harness.harness.brokers.nats.url];
    broker = await connectNats({ servers, name: 'test', logger: silentLogger });
    writer = new DirectoryWriter({ streams: broker.streams });
  });
  afterAll(async () => {
    await broker.stop();
    await harness.close();
  });

  it.each(['live', 'poll'])(
    'enrols again after its identity was removed, over %s',
    async (mode) => {
      const agent = harness.startAgent(`removed-${mode}`, harness.secure[0], { MUSTER_AGENT_MODE: mode });
      await agent.ready();
      const { agentId, num } = await eventually(() => agent.seen());
      const identity = { org: harness.harness.stack.org as OrgId, agentId: agentId as AgentId, num };
      expect(await writer.remove(identity, { atMs: Date.now(), why: 'never_live' })).toEqual({ kind: 'removed' });
      await agent.ready(2);
      await eventually(async () => {
        const again = await agent.seen();
        return again.agentId === agentId && again.num > num;
      });
      expect((await agent.query('SELECT 42 AS answer')).ledger).toMatchObject({ targeted: 1, answered: 1 });
    },
    120_000,
  );
});
