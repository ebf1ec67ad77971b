import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Directory, DirectoryWriter, type Endpoint } from '@muster/directory';
import { CLOSE, decodeBody, FRAME, type Labels, type ModeBody, type OrgId } from '@muster/protocol';
import type { ModeOverrideRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { TestAgent } from './testing/test-agent.js';
import type { TestSession } from './testing/test-session.js';

const org = ORG as OrgId;

async function nextMode(session: TestSession): Promise<ModeBody> {
  const decoded = decodeBody('mode', (await session.next(FRAME.mode)).body);
  if (!decoded.ok) throw new Error(decoded.fault);
  return decoded.body;
}

for (const transport of ['uws', 'ws'] as const) {
  describe(`modes over ${transport}`, () => {
    let harness: GatewayHarness;
    let gateway: RunningGateway;
    let writer: DirectoryWriter;
    let directory: Directory;
    let folder: string;
    let policyPath: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'muster-modes-'));
      policyPath = join(folder, 'policy.json');
      await policy({ selector: 'site=slow', interval: '2m' });
      harness = await GatewayHarness.open();
      gateway = await harness.startGateway({
        MUSTER_GATEWAY_TRANSPORT: transport,
        MUSTER_GATEWAY_MODE_POLICY_FILE: policyPath,
      });
      writer = new DirectoryWriter({ streams: harness.broker.streams });
      directory = new Directory({ streams: harness.broker.streams, logger: silentLogger });
      await directory.start();
    });
    afterAll(async () => {
      await directory.stop();
      await harness.close();
      await rm(folder, { recursive: true, force: true });
    });

    const policy = (...rules: object[]): Promise<void> => writeFile(policyPath, JSON.stringify({ rules }));

    async function enrolled(labels: Labels = {}, capabilities = ['query', 'mode']): Promise<TestAgent> {
      const agent = Object.assign(new TestAgent(), { labels, capabilities });
      expect((await agent.enroll(gateway.url)).status).toBe(201);
      return agent;
    }

    async function override(agent: Pick<TestAgent, 'agentId'>, change: Partial<ModeOverrideRecord>): Promise<void> {
      const record = { mode: 'live', reason: 'incident 4711', by: 'op', atMs: Date.now(), ...change } as const;
      expect(await writer.overrideMode(org, agent.agentId, record)).toEqual({ kind: 'ok' });
    }

    it('WELCOME follows the policy, and an override and its end are assigned at once', async () => {
      const session = await (await enrolled({ site: 'slow' })).connect(gateway.url);
      const byPolicy = { mode: 'live', intervalMs: 120_000, reason: 'policy: site=slow', spreadMs: 0 };
      expect(session.welcome?.mode).toEqual(byPolicy);
      await override(session.agent, { mode: 'poll', intervalMs: 5_000 });
      const ordered = { mode: 'poll', intervalMs: 5_000, reason: 'incident 4711', spreadMs: 0 };
      expect(await nextMode(session)).toEqual(ordered);
      await override(session.agent, { mode: 'default' });
      expect(await nextMode(session)).toEqual(byPolicy);
      session.close();
    });

    it('an override waits for an agent that is offline, with what is left of its lease and what follows it', async () => {
      const agent = await enrolled({ site: 'slow' });
      await override(agent, { mode: 'poll', intervalMs: 5_000, untilMs: Date.now() + 60_000 });
      const over = await enrolled();
      await override(over, { mode: 'poll', untilMs: Date.now() - 1 });
      // The gateway knows both when it has acted on the record after them.
      const witness = await (await enrolled()).connect(gateway.url);
      await override(witness.agent, { mode: 'poll' });
      await nextMode(witness);
      const session = await agent.connect(gateway.url);
      expect(session.welcome?.mode).toMatchObject({
        ...{ mode: 'poll', intervalMs: 5_000 },
        lease: { next: { mode: 'live', intervalMs: 120_000 } },
      });
      const { forMs } = session.welcome?.mode?.lease ?? { forMs: 0 };
      expect(forMs).toBeGreaterThan(30_000);
      expect(forMs).toBeLessThanOrEqual(60_000);
      const unleased = await over.connect(gateway.url);
      expect(unleased.welcome?.mode).toMatchObject({ mode: 'live', reason: 'default' });
      for (const opened of [witness, session, unleased]) opened.close();
    });

    it('a new policy is assigned at once, and so is what labels of operators change', async () => {
      const [branch, head] = await Promise.all(
        ['branch', 'head'].map(async (site) => (await enrolled({ site })).connect(gateway.url)),
      );
      if (branch === undefined || head === undefined) throw new Error('no sessions');
      await policy(
        { selector: 'site=slow', interval: '2m' },
        { selector: 'site=branch', mode: 'poll', interval: '90s' },
      );
      expect(await nextMode(branch)).toMatchObject({ mode: 'poll', intervalMs: 90_000, reason: 'policy: site=branch' });
      await writer.setLabels(org, head.agent.agentId, { labels: { site: 'branch' }, by: 'op', atMs: Date.now() });
      expect(await nextMode(head)).toMatchObject({ mode: 'poll', intervalMs: 90_000 });
      expect(branch.types.filter((type) => type === FRAME.mode)).toHaveLength(1);
      for (const session of [branch, head]) session.close();
    });

    it('an agent that did not say that it can change gets no assignment', async () => {
      const mute = await (await enrolled({}, ['query'])).connectLive(gateway.url);
      const able = await (await enrolled()).connect(gateway.url);
      for (const { agent } of [mute, able]) await override(agent, { mode: 'poll' });
      expect(await nextMode(able)).toMatchObject({ mode: 'poll' });
      // Whatever was sent before it has arrived with the pong.
      mute.socket.ping();
      await new Promise((resolve) => mute.socket.once('pong', resolve));
      expect(mute.welcome).toBeDefined();
      expect(mute.welcome).not.toHaveProperty('mode');
      expect(mute.types).not.toContain(FRAME.mode);
      for (const session of [mute, able]) session.close();
    });

    it('a fallback is recorded and counted; one of a refused clone is not', async () => {
      const agent = await enrolled();
      const first = await agent.connect(gateway.url);
      const clone = Object.assign(new TestAgent(), agent, { instance: randomBytes(16) });
      clone.away = { forMs: 1, failures: 1, why: 'said by a clone' };
      await expect(clone.connect(gateway.url)).rejects.toThrow(`closed with ${CLOSE.duplicateIdentity.code}`);
      agent.away = { forMs: 40_000, failures: 3, why: 'the proxy does not upgrade' };
      const kept = new Promise<Endpoint>((resolve) => {
        directory.onChange((endpoint, change) => {
          if (change === 'fallback' && endpoint.agentId === agent.agentId) resolve(endpoint);
        });
      });
      const session = await agent.connect(gateway.url);
      expect((await kept).fallback).toMatchObject({ mode: 'live', ...agent.away });
      const metrics = await (await fetch(`${gateway.healthUrl}/metrics`)).text();
      expect(metrics).toMatch(/^muster_gateway_fallbacks_total\{mode="live"\} 1$/m);
      for (const opened of [first, session]) opened.close();
    });
  });
}

it('a gateway does not start with a faulty policy, and says what is wrong', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-modes-'));
  const path = join(folder, 'policy.json');
  await writeFile(path, '{"rules":[{"selector":"site=("}]}');
  const harness = await GatewayHarness.open();
  try {
    await expect(harness.startGateway({ MUSTER_GATEWAY_MODE_POLICY_FILE: path })).rejects.toThrow(/rules\.0\.selector/);
  } finally {
    await harness.close();
    await rm(folder, { recursive: true, force: true });
  }
});
