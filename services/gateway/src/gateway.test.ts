import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import { CLOSE, decodeCbor, type OrgId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { refusedPoll, refusedUpgrade } from './testing/refusals.js';
import { TestAgent } from './testing/test-agent.js';

for (const transport of ['uws', 'ws'] as const) {
  describe(`gateway over ${transport}`, () => {
    let harness: GatewayHarness;
    let gateway: RunningGateway;

    beforeAll(async () => {
      harness = await GatewayHarness.open();
      gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
    });
    afterAll(() => harness.close());

    async function enrolled(change: Partial<TestAgent> = {}): Promise<TestAgent> {
      const agent = Object.assign(new TestAgent(), change);
      expect((await agent.enroll(gateway.url)).status).toBe(201);
      return agent;
    }

    describe('enrolment', () => {
      it('gives the same agent the same id and number however often it enrols', async () => {
        const agent = await enrolled();
        const { num, token } = agent;
        const again = await agent.enroll(gateway.url);
        expect(again.status).toBe(200);
        expect([agent.num, agent.token === token]).toEqual([num, false]);
        const body = (await again.json()) as { agentId: string };
        expect(body.agentId).toBe(agent.agentId);
      });

      it.each([
        ['a wrong secret', { secret: 'not-the-secret-at-all' }, 401],
        ['an unknown org', { body: { org: 'globex' } }, 401],
        ['a proof by another key', { body: { proof: Buffer.alloc(64, 1).toString('base64url') } }, 401],
        ['an old time stamp', { body: { timestampMs: 1_000 } }, 401],
        ['a key of the wrong length', { body: { publicKey: 'AAAA' } }, 400],
        ['facts that do not fit', { body: { facts: { host: 'x' } } }, 400],
        ['a built-in label', { body: { labels: { os: 'linux' } } }, 400],
        ['labels that are no texts', { body: { labels: { a: 1 } } }, 400],
        ['a label that is no key', { body: { labels: JSON.parse('{"__proto__":"x"}') } }, 400],
      ])('refuses %s', async (_what, change, status) => {
        const response = await new TestAgent().enroll(gateway.url, change);
        expect(response.status).toBe(status);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
      });

      it('answers requests that are no enrolment', async () => {
        const url = `http://${gateway.url}/v1/enroll`;
        const json = { 'content-type': 'application/json' };
        const statuses = await Promise.all([
          fetch(url, { method: 'POST', body: '{', headers: json }),
          fetch(url, { method: 'POST', body: '[]', headers: json }),
          fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } }),
          fetch(url),
          fetch(`http://${gateway.url}/nowhere`),
        ]);
        expect(statuses.map(({ status }) => status)).toEqual([400, 400, 415, 405, 404]);
      });
    });

    describe('admission', () => {
      it('requires the path, the subprotocol and a valid token, and says which is missing', async () => {
        const { token } = await enrolled();
        const { url } = gateway;
        expect(await refusedUpgrade(url, { protocol: 'muster.v1', token, path: '/' })).toMatchObject({ status: 404 });
        const other = await refusedUpgrade(url, { protocol: 'muster.v9', token });
        expect(other).toMatchObject({ status: 426, code: 'upgrade_required' });
        expect(other.headers['sec-websocket-protocol']).toBe('muster.v1');
        expect(await refusedUpgrade(url, { token })).toMatchObject({ status: 426 });
        const nobody = await refusedUpgrade(url, { protocol: 'muster.v1' });
        expect(nobody).toMatchObject({ status: 401, code: 'unauthenticated' });
        expect(nobody.headers['www-authenticate']).toMatch(/^Bearer/);
        expect(await refusedUpgrade(url, { protocol: 'muster.v1', token: `${token}x` })).toMatchObject({ status: 401 });
        expect(await refusedPoll(url, undefined)).toMatchObject({ status: 401, code: 'unauthenticated' });
        expect(await refusedPoll(url, `${token}x`)).toMatchObject({ status: 401, code: 'unauthenticated' });
      });

      it('refuses tokens that have expired, and those of another deployment', async () => {
        const agent = await enrolled();
        const claims = { org: ORG as OrgId, num: agent.num, publicKeyX: agent.x, factsDigest: '' };
        const old = await harness.issuer.issue({ ...claims, ttlMs: 1_000 }, Date.now() - 3_600_000);
        const expired = await refusedUpgrade(gateway.url, { protocol: 'muster.v1', token: old });
        expect(expired).toMatchObject({ status: 401, code: 'token_expired' });
        expect(await refusedPoll(gateway.url, old)).toMatchObject({ status: 401, code: 'token_expired' });
        const elsewhere = await GatewayHarness.open();
        try {
          const foreign = await elsewhere.issuer.issue(claims, Date.now());
          expect(await refusedUpgrade(gateway.url, { protocol: 'muster.v1', token: foreign })).toMatchObject({
            status: 401,
          });
        } finally {
          await elsewhere.close();
        }
      });
    });

    it('closes on a text message', async () => {
      const session = await (await enrolled()).openLive(gateway.url);
      session.socket.send('hello');
      expect(await session.closed).toBe(CLOSE.unsupportedData.code);
    });

    it('survives bytes that are no WebSocket at all, half requests and cut connections', async () => {
      const port = Number(gateway.url.split(':')[1]);
      const payloads = [
        randomBytes(4_096),
        Buffer.from('GET /v1/live HTTP/1.1\r\nHost: x\r\n'),
        Buffer.alloc(0),
        Buffer.from('\r\n\r\n\0\0'),
      ];
      for (const payload of payloads) {
        const socket = connectTcp(port, '127.0.0.1');
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(payload);
        socket.destroy();
        await once(socket, 'close');
      }
      const session = await (await enrolled()).connect(gateway.url);
      session.close();
    });
    it('answers a ping on its own subject, which its heartbeat names', async () => {
      let id = '';
      const subscription = harness.broker.bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
        id = (decodeCbor(data) as { gateway: string }).gateway;
      });
      await eventually(() => id !== '', 'a heartbeat');
      subscription.unsubscribe();
      const reply = await harness.broker.bus.request(SUBJECTS.gateway(id as never), encodeBusMessage({ t: 'ping' }), {
        timeoutMs: 10_000,
      });
      expect(reply.kind === 'reply' && decodeCbor(reply.data)).toEqual({ t: 'ok' });
    });

    it('serves metrics, health and readiness', async () => {
      const metrics = await (await fetch(`${gateway.healthUrl}/metrics`)).text();
      expect(metrics).toMatch(/^muster_gateway_live_sessions \d+$/m);
      expect((await fetch(`http://${gateway.url}/readyz`)).status).toBe(200);
      expect((await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(200);
    });
  });
}
