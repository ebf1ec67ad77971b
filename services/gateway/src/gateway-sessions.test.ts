import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { DirectoryWriter } from '@muster/directory';
import { CLOSE, encodeCbor, encodeFrame, FRAME, type OrgId } from '@muster/protocol';
import { GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { LiveSession } from './testing/live-session.js';
import { TestAgent } from './testing/test-agent.js';
import { TestCoordinator } from './testing/test-coordinator.js';

const row = (...values: (string | number)[]): Uint8Array => encodeCbor(values);

for (const transport of ['uws', 'ws'] as const) {
  describe.each(['live', 'poll'] as const)(`%s over ${transport}`, (channel) => {
    let harness: GatewayHarness;
    let gateway: RunningGateway;
    let coordinator: TestCoordinator;

    beforeAll(async () => {
      harness = await GatewayHarness.open();
      gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
      coordinator = await new TestCoordinator(harness.broker).start();
    });
    afterAll(() => harness.close());

    async function enrolled(change: Partial<TestAgent> = {}): Promise<TestAgent> {
      const agent = Object.assign(new TestAgent(), { channel }, change);
      expect((await agent.enroll(gateway.url)).status).toBe(201);
      return agent;
    }

    describe('before the hello is accepted', () => {
      it('closes 4500 on a proof for another challenge: a replay opens no session', async () => {
        const agent = await enrolled();
        const first = await agent.open(gateway.url);
        const recorded = first.helloFor(await first.next(FRAME.challenge));
        const second = await agent.open(gateway.url);
        await second.next(FRAME.challenge);
        second.send(FRAME.hello, 0, recorded);
        expect(await second.closed).toBe(CLOSE.unauthenticated.code);
        first.cut();
      });

      it('closes 4500 when the token is used without its key, and keeps a record of it', async () => {
        const owner1 = await enrolled();
        const thief = Object.assign(await enrolled(), { token: owner1.token });
        const session = await thief.open(gateway.url);
        session.answerChallenge(await session.next(FRAME.challenge));
        expect(await session.closed).toBe(CLOSE.unauthenticated.code);
        const seen = await harness.auditOf(owner1.agentId, 'unauthenticated');
        expect(seen).toMatchObject({ action: 'agent.connect', outcome: 'refused', from: '127.0.0.1' });
      });

      it.each([
        ['garbage', randomBytes(200), CLOSE.protocolError.code],
        ['an empty message', Buffer.alloc(0), CLOSE.protocolError.code],
        ['rows', encodeFrame(FRAME.rows, 1, row('x')), CLOSE.protocolError.code],
        ['a frame of the other direction', encodeFrame(FRAME.welcome, 0, encodeCbor({})), CLOSE.protocolError.code],
        ['a hello that does not fit', encodeFrame(FRAME.hello, 0, encodeCbor({ facts: 1 })), CLOSE.helloInvalid.code],
        ['a hello that is no CBOR', encodeFrame(FRAME.hello, 0, Buffer.from([0xff, 0xff])), CLOSE.helloInvalid.code],
        ['10,000 bytes', encodeFrame(FRAME.hello, 0, Buffer.alloc(10_000)), CLOSE.helloTooBig.code],
      ])('closes on %s', async (_what, bytes, code) => {
        const session = await (await enrolled()).open(gateway.url);
        session.sendBytes(bytes);
        expect(await session.closed).toBe(code);
      });

      it('closes 4002 when the hello does not come in time, whatever else comes', async () => {
        const session = await (await enrolled()).open(gateway.url);
        // Polls come all the time anyway.
        const ping = setInterval(() => session instanceof LiveSession && session.socket.ping(), 200);
        expect(await session.closed).toBe(CLOSE.helloTimeout.code);
        clearInterval(ping);
      });

      it('closes 4501 a connection that waits for its hello when its agent is revoked', async () => {
        const agent = await enrolled();
        const session = await agent.open(gateway.url);
        await session.next(FRAME.challenge);
        const record = { by: 'test', reason: 'stolen', atMs: Date.now() };
        await new DirectoryWriter({ streams: harness.broker.streams }).revoke(ORG as OrgId, agent.agentId, record);
        expect(await session.closed).toBe(CLOSE.revoked.code);
      });

      it('lets the newest of many connections take the place of the oldest that waits for its hello', async () => {
        const agent = await enrolled();
        const waiting = [];
        for (let i = 0; i < 17; i += 1) waiting.push(await agent.open(gateway.url));
        expect(await waiting[0]?.closed).toBe(CLOSE.overloaded.code);
        const session = await agent.connect(gateway.url);
        expect(waiting.filter(({ isOpen }) => isOpen).length).toBeGreaterThan(10);
        for (const one of [session, ...waiting]) one.cut();
      });
    });

    describe('sessions', () => {
      it('gives a newer session of the same machine the epoch, and closes the older as superseded', async () => {
        const agent = await enrolled();
        const first = await agent.connect(gateway.url);
        const second = await agent.connect(gateway.url);
        expect(await first.closed).toBe(CLOSE.superseded.code);
        expect(second.epoch).toBeGreaterThan(first.epoch);
        second.close();
      });

      it('refuses another machine with the same identity while the first is connected', async () => {
        const agent = await enrolled();
        const first = await agent.connect(gateway.url);
        const clone = Object.assign(new TestAgent(), agent, { instance: randomBytes(16) });
        await expect(clone.connect(gateway.url)).rejects.toThrow(`closed with ${CLOSE.duplicateIdentity.code}`);
        expect(first.isOpen).toBe(true);
        first.close();
      });

      it('ends a flapping identity after a few supersedes', async () => {
        const agent = await enrolled();
        const outcomes: string[] = [];
        for (let i = 0; i < 8; i += 1) {
          outcomes.push(
            await agent.connect(gateway.url).then(
              () => 'ready',
              (error: Error) => error.message,
            ),
          );
        }
        expect(outcomes.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => 'ready'));
        expect(outcomes.slice(6)).toEqual(['closed with 4503', 'closed with 4503']);
      });

      it('gives a new token when facts have changed, and none when they have not', async () => {
        const agent = await enrolled();
        const { token } = agent;
        (await agent.connect(gateway.url)).close();
        expect(agent.token).toBe(token);
        agent.facts = { ...agent.facts, osVersion: '13' };
        (await agent.connect(gateway.url)).close();
        expect(agent.token).not.toBe(token);
      });

      it('closes a revoked agent at once, and lets it neither connect nor enrol again', async () => {
        const agent = await enrolled();
        const session = await agent.connect(gateway.url);
        const record = { by: 'test', reason: 'stolen', atMs: Date.now() };
        await new DirectoryWriter({ streams: harness.broker.streams }).revoke(ORG as OrgId, agent.agentId, record);
        expect(await session.closed).toBe(CLOSE.revoked.code);
        expect(await agent.refusal(gateway.url)).toMatchObject({ status: 403, code: 'revoked' });
        expect((await agent.enroll(gateway.url)).status).toBe(403);
      });

      it("selects by operators' labels as soon as they are set", async () => {
        const agent = await enrolled({ labels: { env: 'prod' } });
        const session = await agent.connect(gateway.url);
        const writer = new DirectoryWriter({ streams: harness.broker.streams });
        await writer.setLabels(ORG as OrgId, agent.agentId, { labels: { wave: 'one' }, by: 'test', atMs: Date.now() });
        for (let asked = false; !asked;) {
          const query = coordinator.ask(coordinator.query({ selector: 'wave=one,env=prod' }));
          await coordinator.until(() => coordinator.targeted(query).length === 1);
          asked = coordinator.targeted(query)[0]?.nums.includes(agent.num) ?? false;
        }
        session.close();
      });
    });
  });
}
