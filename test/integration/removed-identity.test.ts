import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { DirectoryWriter } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { AgentProcess } from '../kit/agent-process.js';
import { startHarness, type Harness } from '../kit/harness.js';

describe('the real agent', () => {
  let harness: Harness;
  let broker: Broker;
  let writer: DirectoryWriter;
  beforeAll(async () => {
    harness = await startHarness({ tls: true });
    broker = await connectNats({ servers: [harness.brokers.nats.url], name: 'test', logger: silentLogger });
    writer = new DirectoryWriter({ streams: broker.streams });
  }, 120_000);
  afterAll(async () => {
    await broker.stop();
    await harness.close();
  });

  // Over Poll it hears of it a minute later.
  it.each(['live', 'poll'])('enrols again after its identity was removed, over %s', async (mode) => {
    const gatewayUrl = harness.stack.gateways[0]?.url ?? '';
    const agent = new AgentProcess(harness, {
      ...{ name: `removed-${mode}`, gatewayUrl, caPath: harness.stack.caPath ?? '' },
      env: { MUSTER_AGENT_MODE: mode },
    });
    try {
      await agent.ready();
      const { agentId, num } = await eventually(() => agent.seen());
      const identity = { org: harness.stack.org as OrgId, agentId: agentId as AgentId, num };
      expect(await writer.remove(identity, { atMs: Date.now(), why: 'never_live' })).toEqual({ kind: 'removed' });
      await agent.ready(2);
      await eventually(async () => {
        const again = await agent.seen();
        return again.agentId === agentId && again.num > num;
      });
      expect((await agent.query('SELECT 42 AS answer')).ledger).toMatchObject({ targeted: 1, answered: 1 });
    } finally {
      await agent.stop();
    }
  }, 200_000);
});
