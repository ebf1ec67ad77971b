import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOSE, decodeBody, encodeBody, FRAME, newCommandId, type GatewayId, type ReportBody } from '@muster/protocol';
import { GatewayHarness, type RunningGateway } from './testing/gateway-harness.js';
import { TestAgent } from './testing/test-agent.js';
import type { TestSession } from './testing/test-session.js';
import { TestCommandService } from './testing/test-command-service.js';

const keys = (version: number): string =>
  `h.${Buffer.from(JSON.stringify({ version })).toString('base64url')}.s${version}`;

const report = (id: string, change: Partial<ReportBody> = {}): Uint8Array =>
  encodeBody('report', { id, number: 1, state: 'succeeded', code: '', message: '', authentic: true, ...change });

async function enrolled(gateway: RunningGateway, change: Partial<TestAgent> = {}): Promise<TestAgent> {
  const agent = Object.assign(new TestAgent(), { capabilities: ['query', 'command'] }, change);
  expect((await agent.enroll(gateway.url)).status).toBe(201);
  return agent;
}

for (const transport of ['uws', 'ws'] as const) {
  describe.each(['live', 'poll'] as const)(`commands through a gateway, %s over ${transport}`, (channel) => {
    let harness: GatewayHarness;
    let gateway: RunningGateway;
    let service: TestCommandService;

    beforeAll(async () => {
      harness = await GatewayHarness.open();
      gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
      service = await new TestCommandService(harness.broker).start();
    });
    afterAll(() => harness.close());

    async function joined(change: Partial<TestAgent> = {}): Promise<{ session: TestSession; id: GatewayId }> {
      const session = await (await enrolled(gateway, { channel, ...change })).connect(gateway.url);
      return { session, id: await service.gatewayOf(session.agent.num) };
    }

    it('a command goes to the agent, its report to a service, and the acknowledgement to the agent', async () => {
      const { session, id } = await joined();
      const { agentId, num } = session.agent;
      const command = service.deliver([agentId], id);
      const { body } = await session.next(FRAME.command);
      expect(decodeBody('command', body)).toMatchObject({ ok: true, body: { id: command, number: 1, jws: 'j' } });
      session.send(FRAME.report, 0, report(command, { effects: ['would do it'] }));
      await service.until(() => service.reportsOf(agentId).length === 1);
      const [reported] = service.reportsOf(agentId);
      expect(reported).toMatchObject({ num, id: command, number: 1, state: 'succeeded', effects: ['would do it'] });
      service.keep(service.reportsOf(agentId), id);
      const kept = decodeBody('reportKept', (await session.next(FRAME.reportKept)).body);
      expect(kept).toEqual({ ok: true, body: { id: command, number: 1 } });
      service.cancel(command, [agentId], id);
      const cancel = decodeBody('commandCancel', (await session.next(FRAME.commandCancel)).body);
      expect(cancel).toEqual({ ok: true, body: { id: command, number: 1 } });
    });

    it('a broadcast reaches an agent whose gateway is not known', async () => {
      const { session } = await joined();
      const command = service.deliver([session.agent.agentId]);
      expect(decodeBody('command', (await session.next(FRAME.command)).body)).toMatchObject({ body: { id: command } });
    });

    it('an agent that has left is reported as missing', async () => {
      const { session, id } = await joined();
      session.close();
      await session.closed;
      const command = service.deliver([session.agent.agentId], id);
      await service.until(() => service.missing.length > 0);
      expect(service.missing).toMatchObject([{ gateway: id, id: command, targets: [1] }]);
    });

    it('an agent without the capability is not announced, gets no keys, and is reported for', async () => {
      service.heartbeat(keys(1));
      const able = await joined();
      const { agent } = await (await enrolled(gateway, { channel, capabilities: ['query'] })).connect(gateway.url);
      service.deliver([agent.agentId], able.id);
      await service.until(() => service.reportsOf(agent.agentId).length > 0);
      expect(service.reportsOf(agent.agentId)).toMatchObject([{ state: 'unsupported', code: 'no_commands' }]);
      expect(service.arrivals.flatMap(({ nums }) => nums)).not.toContain(agent.num);
    });

    it('WELCOME carries the newest list of keys that a service has sent', async () => {
      const welcomed = async (capabilities: string[]) => {
        const session = await (await enrolled(gateway, { channel, capabilities })).open(gateway.url);
        session.answerChallenge(await session.next(FRAME.challenge));
        const welcome = decodeBody('welcome', (await session.next(FRAME.welcome)).body);
        return welcome.ok ? welcome.body.commandKeys : welcome.fault;
      };
      for (const version of [7, 6]) service.heartbeat(keys(version));
      await harness.broker.bus.flush();
      // The gateway knows both when it has acted on the message after them.
      const { session, id } = await joined();
      service.deliver([session.agent.agentId], id);
      await session.next(FRAME.command);
      expect(await welcomed(['query', 'command'])).toBe(keys(7));
      expect(await welcomed(['query'])).toBeUndefined();
    });

    it('closes 1002 on a malformed report', async () => {
      const { session: malformed } = await joined();
      malformed.send(FRAME.report, 0, encodeBody('reportKept', { id: 'c1', number: 1 }));
      expect(await malformed.closed).toBe(CLOSE.protocolError.code);
    });

    it('drops and counts a report about what is no command, and hears the session’s next one', async () => {
      const { session, id } = await joined();
      const { agentId } = session.agent;
      const command = service.deliver([agentId], id);
      await session.next(FRAME.command);
      for (const bad of ['*.1', '', 'a.b.>', 'c\0', `${command}.x`]) session.send(FRAME.report, 0, report(bad));
      session.send(FRAME.report, 0, report(command));
      await service.until(() => service.reportsOf(agentId).length > 0);
      expect(service.reportsOf(agentId).map((each) => each.id)).toEqual([command]);
      const metrics = await (await fetch(`${gateway.healthUrl}/metrics`)).text();
      expect(metrics).toMatch(/command_reports_total\{[^}]*result="bad_id"[^}]*\} 5\b/);
      session.close();
    });

    it('sends its presence again when the broker was away', async () => {
      const { session } = await joined();
      service.arrivals.length = 0;
      await harness.nats.kill9();
      await harness.nats.restart();
      // The gateway may be back before the service; then it answers the first heartbeat.
      const heartbeats = setInterval(() => service.heartbeat(), 100);
      const id = await service.gatewayOf(session.agent.num);
      clearInterval(heartbeats);
      const command = service.deliver([session.agent.agentId], id);
      expect(decodeBody('command', (await session.next(FRAME.command)).body)).toMatchObject({ body: { id: command } });
    });
  });
}

describe('a gateway that was frozen past its lease', () => {
  it('takes commands under its new id only, for agents that came back', async () => {
    const harness = await GatewayHarness.open();
    try {
      const gateway = await harness.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
      const service = await new TestCommandService(harness.broker).start();
      const agent = await enrolled(gateway);
      const old = await agent.connect(gateway.url);
      const before = await service.gatewayOf(agent.num);
      gateway.process.freeze();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      service.arrivals.length = 0;
      old.send(FRAME.report, 0, report(newCommandId(Date.now())));
      gateway.process.resume();
      expect(await old.closed).toBe(CLOSE.fenced.code);
      const session = await agent.connect(gateway.url);
      const after = await service.gatewayOf(agent.num);
      expect(after).not.toBe(before);
      service.deliver([agent.agentId], before);
      const command = service.deliver([agent.agentId], after);
      expect(decodeBody('command', (await session.next(FRAME.command)).body)).toMatchObject({ body: { id: command } });
      expect(service.reports).toEqual([]);
      session.close();
    } finally {
      await harness.close();
    }
  });
});
