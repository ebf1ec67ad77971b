import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { DirectoryWriter } from '@muster/directory';
import {
  CLOSE,
  decodeCbor,
  decodeRow,
  encodeBusMessage,
  encodeCbor,
  encodeFrame,
  FRAME,
  readAnswerBlock,
  readGroupBlock,
  SUBJECTS,
  type OrgId,
} from '@muster/protocol';
import { WebSocket } from 'ws';
import { GatewayLab, ORG, type RunningGateway } from './testing/running-gateway.js';
import { TestAgent, type TestSession } from './testing/test-agent.js';
import { TestOwner } from './testing/test-owner.js';

const row = (...values: (string | number)[]): Uint8Array => encodeCbor(values);

/** The HTTP status that an upgrade is answered with. */
async function upgradeStatus(url: string, options: { protocol?: string; token?: string; path?: string }) {
  const { protocol, token, path = '/v1/live' } = options;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`ws://${url}${path}`, protocol === undefined ? [] : [protocol], { headers });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const body = Buffer.concat((await response.toArray()) as Buffer[]).toString();
  const { code } = JSON.parse(body) as { code: string };
  return { status: response.statusCode, code, headers: response.headers };
}

for (const transport of ['uws', 'ws'] as const) {
  describe(`gateway over ${transport}`, () => {
    let lab: GatewayLab;
    let gateway: RunningGateway;
    let owner: TestOwner;

    beforeAll(async () => {
      lab = await GatewayLab.open();
      gateway = await lab.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport });
      owner = await new TestOwner(lab.broker).start();
    });
    afterAll(() => lab.close());

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

      it('answers what is no enrolment at all', async () => {
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

    describe('the upgrade', () => {
      it('needs the path, the subprotocol and a valid token, and says which is missing', async () => {
        const { token } = await enrolled();
        const { url } = gateway;
        expect(await upgradeStatus(url, { protocol: 'muster.v1', token, path: '/' })).toMatchObject({ status: 404 });
        const other = await upgradeStatus(url, { protocol: 'muster.v9', token });
        expect(other).toMatchObject({ status: 426, code: 'upgrade_required' });
        expect(other.headers['sec-websocket-protocol']).toBe('muster.v1');
        expect(await upgradeStatus(url, { token })).toMatchObject({ status: 426 });
        const nobody = await upgradeStatus(url, { protocol: 'muster.v1' });
        expect(nobody).toMatchObject({ status: 401, code: 'unauthenticated' });
        expect(nobody.headers['www-authenticate']).toMatch(/^Bearer/);
        expect(await upgradeStatus(url, { protocol: 'muster.v1', token: `${token}x` })).toMatchObject({ status: 401 });
      });

      it('refuses tokens that have expired, and those of another deployment', async () => {
        const agent = await enrolled();
        const claims = { org: ORG as OrgId, num: agent.num, publicKeyX: agent.x, factsDigest: '' };
        const old = await lab.issuer.issue({ ...claims, ttlMs: 1_000 }, Date.now() - 3_600_000);
        const expired = await upgradeStatus(gateway.url, { protocol: 'muster.v1', token: old });
        expect(expired).toMatchObject({ status: 401, code: 'token_expired' });
        const elsewhere = await GatewayLab.open();
        try {
          const foreign = await elsewhere.issuer.issue(claims, Date.now());
          expect(await upgradeStatus(gateway.url, { protocol: 'muster.v1', token: foreign })).toMatchObject({
            status: 401,
          });
        } finally {
          await elsewhere.close();
        }
      });
    });

    describe('before the hello is accepted', () => {
      it('closes 4500 on a proof for another challenge, so that recorded bytes open nothing', async () => {
        const agent = await enrolled();
        const first = await agent.open(gateway.url);
        const recorded = first.helloFor(await first.next(FRAME.challenge));
        const second = await agent.open(gateway.url);
        await second.next(FRAME.challenge);
        second.send(FRAME.hello, 0, recorded);
        expect(await second.closed).toBe(CLOSE.unauthenticated.code);
        first.socket.terminate();
      });

      it('closes 4500 when the token is used without its key, and keeps a record of it', async () => {
        const owner1 = await enrolled();
        const thief = Object.assign(await enrolled(), { token: owner1.token });
        const session = await thief.open(gateway.url);
        session.answerChallenge(await session.next(FRAME.challenge));
        expect(await session.closed).toBe(CLOSE.unauthenticated.code);
        const seen = await lab.auditOf(owner1.agentId, 'unauthenticated');
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
        session.socket.send(bytes);
        expect(await session.closed).toBe(code);
      });

      it('closes on a text message', async () => {
        const session = await (await enrolled()).open(gateway.url);
        session.socket.send('hello');
        expect(await session.closed).toBe(CLOSE.unsupportedData.code);
      });

      it('closes 4002 when the hello does not come in time, whatever else comes', async () => {
        const session = await (await enrolled()).open(gateway.url);
        const ping = setInterval(() => session.socket.ping(), 200);
        expect(await session.closed).toBe(CLOSE.helloTimeout.code);
        clearInterval(ping);
      }, 20_000);

      it('lets few connections of one agent wait for their hello, and again when they are gone', async () => {
        const agent = await enrolled();
        const waiting = [await agent.open(gateway.url), await agent.open(gateway.url), await agent.open(gateway.url)];
        const { token } = agent;
        const refused = await upgradeStatus(gateway.url, { protocol: 'muster.v1', token });
        expect(refused).toMatchObject({ status: 429, code: 'rate_limited' });
        expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
        for (const session of waiting) session.socket.terminate();
        for (let isIn = false; !isIn;) {
          isIn = await agent.connect(gateway.url).then(
            (session) => session.socket.close() === undefined,
            () => false,
          );
        }
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
        session.socket.close();
      });
    });

    describe('sessions', () => {
      it('gives a newer session of the same machine the epoch, and closes the older as superseded', async () => {
        const agent = await enrolled();
        const first = await agent.connect(gateway.url);
        const second = await agent.connect(gateway.url);
        expect(await first.closed).toBe(CLOSE.superseded.code);
        expect(second.epoch).toBeGreaterThan(first.epoch);
        second.socket.close();
      });

      it('refuses another machine with the same identity while the first is connected', async () => {
        const agent = await enrolled();
        const first = await agent.connect(gateway.url);
        const clone = Object.assign(Object.create(agent) as TestAgent, { instance: randomBytes(16) });
        await expect(clone.connect(gateway.url)).rejects.toThrow(`closed with ${CLOSE.duplicateIdentity.code}`);
        expect(first.socket.readyState).toBe(WebSocket.OPEN);
        first.socket.close();
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
        (await agent.connect(gateway.url)).socket.close();
        expect(agent.token).toBe(token);
        agent.facts = { ...agent.facts, osVersion: '13' };
        (await agent.connect(gateway.url)).socket.close();
        expect(agent.token).not.toBe(token);
      });

      it('closes a revoked agent at once, and lets it neither connect nor enrol again', async () => {
        const agent = await enrolled();
        const session = await agent.connect(gateway.url);
        const record = { by: 'test', reason: 'stolen', atMs: Date.now() };
        await new DirectoryWriter({ log: lab.broker.log }).revoke(ORG as OrgId, agent.agentId, record);
        expect(await session.closed).toBe(CLOSE.revoked.code);
        const { token } = agent;
        expect(await upgradeStatus(gateway.url, { protocol: 'muster.v1', token })).toMatchObject({
          status: 403,
          code: 'revoked',
        });
        expect((await agent.enroll(gateway.url)).status).toBe(403);
      });

      it("selects by operators' labels as soon as they are set", async () => {
        const agent = await enrolled({ labels: { env: 'prod' } });
        const session = await agent.connect(gateway.url);
        const writer = new DirectoryWriter({ log: lab.broker.log });
        await writer.setLabels(ORG as OrgId, agent.agentId, { labels: { wave: 'one' }, by: 'test', atMs: Date.now() });
        for (let asked = false; !asked;) {
          const query = owner.ask(owner.query({ selector: 'wave=one,env=prod' }));
          await owner.until(() => owner.targeted(query).length === 1);
          asked = owner.targeted(query)[0]?.nums.includes(agent.num) ?? false;
        }
        session.socket.close();
      });
    });

    describe('queries', () => {
      it('targets whom the selector selects, and reports every outcome once', async () => {
        const labels = { test: 'outcomes' };
        const agents = await Promise.all(Array.from({ length: 6 }, () => enrolled({ labels })));
        const sessions = await Promise.all(agents.map((agent) => agent.connect(gateway.url)));
        const query = owner.ask(owner.query({ selector: 'test=outcomes' }));
        const refs = await Promise.all(sessions.map(async (session) => (await session.next(FRAME.query)).ref));
        const [a, b, c, d, e, f] = sessions;
        a?.answer(refs[0] ?? 0, row('same'));
        b?.answer(refs[1] ?? 0, row('same'));
        c?.answer(refs[2] ?? 0, new Uint8Array());
        d?.fail(refs[3] ?? 0, 'refused');
        e?.answer(refs[4] ?? 0, row('too', 'many'));
        f?.socket.terminate();
        await owner.until(() => owner.partials(query).some(({ settled }) => settled));
        const nums = agents.map(({ num }) => num);
        expect(owner.targeted(query)).toMatchObject([{ joined: false, nums: nums.toSorted((x, y) => x - y) }]);
        const expected = ['answered', 'answered', 'empty', 'refused', 'error', 'disconnected'];
        expect(nums.map((num) => owner.outcomes(query)[num])).toEqual(expected);
        const groups = owner.partials(query).flatMap(({ groups: block }) => [...readGroupBlock(block)]);
        expect(groups.reduce((sum, { endpoints }) => sum + endpoints, 0)).toBe(2);
        expect(decodeRow(groups[0]?.row ?? new Uint8Array())).toEqual(['same']);
        for (const session of sessions) session.socket.terminate();
      });

      it('asks agents that connect while the query runs, and reports their answers apart', async () => {
        const agent = await enrolled({ labels: { test: 'late' } });
        const query = owner.ask(owner.query({ selector: 'test=late' }));
        await owner.until(() => owner.targeted(query).length === 1);
        const session = await agent.connect(gateway.url);
        session.answer((await session.next(FRAME.query)).ref, row('late'));
        await owner.until(() => owner.partials(query).some(({ answers }) => answers.length > 0));
        expect(owner.targeted(query)).toMatchObject([
          { joined: false, nums: [] },
          { joined: true, nums: [agent.num] },
        ]);
        const answers = owner.partials(query).flatMap(({ answers: block }) => [...readAnswerBlock(block)]);
        expect(answers.map(({ num }) => num)).toEqual([agent.num]);
        session.socket.close();
      });

      it('asks the newer session of an agent that has not answered, and does not report the older one as disconnected', async () => {
        const agent = await enrolled({ labels: { test: 'reopened' } });
        const older = await agent.connect(gateway.url);
        const query = owner.ask(owner.query({ selector: 'test=reopened' }));
        await older.next(FRAME.query);
        const newer = await agent.connect(gateway.url);
        const { ref } = await newer.next(FRAME.query);
        expect(await older.closed).toBe(CLOSE.superseded.code);
        const soFar = owner.partials(query).length;
        await owner.until(() => owner.partials(query).length > soFar);
        expect(owner.partials(query).some(({ settled }) => settled)).toBe(false);
        newer.answer(ref, row('x'));
        await owner.until(() => owner.outcomes(query)[agent.num] === 'answered');
        expect(owner.partials(query).flatMap(({ failures }) => failures)).toEqual([]);
        newer.socket.close();
      });

      it('does not ask an agent again that has answered over an older session', async () => {
        const agent = await enrolled({ labels: { test: 'answered' } });
        const older = await agent.connect(gateway.url);
        const query = owner.ask(owner.query({ selector: 'test=answered', mode: 'raw' }));
        older.answer((await older.next(FRAME.query)).ref, row('x'));
        await owner.until(() => owner.outcomes(query)[agent.num] === 'answered');
        const newer = await agent.connect(gateway.url);
        const next = owner.ask(owner.query({ selector: 'test=answered' }));
        const { ref, body } = await newer.next(FRAME.query);
        expect(decodeCbor(body)).toMatchObject({ id: next.id });
        newer.answer(ref, row('x'));
        await owner.until(() => owner.outcomes(next)[agent.num] === 'answered');
        expect(owner.targeted(query)).toHaveLength(1);
        newer.socket.close();
      });

      it('counts an agent that did not say that it answers queries as refused, at once', async () => {
        const labels = { test: 'mute' };
        const mute = await enrolled({ labels, capabilities: ['later'] });
        const able = await enrolled({ labels });
        const sessions = [await mute.connect(gateway.url), await able.connect(gateway.url)];
        const query = owner.ask(owner.query({ selector: 'test=mute' }));
        sessions[1]?.answer((await sessions[1].next(FRAME.query)).ref, row('x'));
        await owner.until(() => owner.partials(query).some(({ settled }) => settled));
        expect(owner.outcomes(query)).toEqual({ [mute.num]: 'refused', [able.num]: 'answered' });
        for (const session of sessions) session.socket.close();
      });

      it('begins a query that it learns of only by its owner’s beat, all of it as joined', async () => {
        const agent = await enrolled({ labels: { test: 'beat' } });
        const session = await agent.connect(gateway.url);
        const query = owner.query({ selector: 'test=beat' });
        owner.beat(query);
        session.answer((await session.next(FRAME.query)).ref, row('x'));
        await owner.until(() => owner.partials(query).some(({ settled }) => settled));
        expect(owner.targeted(query)).toMatchObject([{ joined: true, nums: [agent.num] }]);
        session.socket.close();
      });

      it('ends at the deadline: who is waited for has timed out, and its agent is told', async () => {
        const agent = await enrolled({ labels: { test: 'deadline' } });
        const session = await agent.connect(gateway.url);
        const nowMs = Date.now();
        const query = owner.ask(owner.query({ selector: 'test=deadline', nowMs, deadlineMs: nowMs + 1_000 }));
        const cancel = await session.next(FRAME.cancel);
        expect(decodeCbor(cancel.body)).toEqual({ reason: 'deadline' });
        await owner.until(() => owner.partials(query).some(({ settled }) => settled));
        expect(owner.outcomes(query)[agent.num]).toBe('timed_out');
        session.socket.close();
      });

      it('gives signs of life while nothing happens', async () => {
        const agent = await enrolled({ labels: { test: 'quiet' } });
        const session = await agent.connect(gateway.url);
        const query = owner.ask(owner.query({ selector: 'test=quiet' }));
        await owner.until(() => owner.partials(query).length >= 2);
        expect(owner.outcomes(query)).toEqual({});
        session.socket.close();
      });

      it('gives more credit to a large answer, and ends one over the budget', async () => {
        const big = await enrolled({ labels: { test: 'credit' } });
        const greedy = await enrolled({ labels: { test: 'credit' } });
        const [session, taker] = [await big.connect(gateway.url), await greedy.connect(gateway.url)];
        const query = owner.ask(owner.query({ selector: 'test=credit' }));
        const chunk = Buffer.concat(Array.from({ length: 60 }, (_, i) => row(`${i} ${'x'.repeat(1_000)}`)));
        const send = async (one: TestSession, count: number): Promise<void> => {
          const { ref, body } = await one.next(FRAME.query);
          let { credit } = decodeCbor(body) as { credit: number };
          for (let i = 0; i < count; i += 1) {
            while (credit < chunk.length) {
              credit += (decodeCbor((await one.next(FRAME.credit)).body) as { bytes: number }).bytes;
            }
            credit -= chunk.length;
            one.send(FRAME.rows, ref, chunk);
          }
          one.answer(ref, new Uint8Array());
        };
        const overBudget = Math.ceil(query.budget.bytes / chunk.length) + 1;
        await Promise.all([send(session, 20), send(taker, overBudget)]);
        await owner.until(() => owner.partials(query).some(({ settled }) => settled));
        expect([owner.outcomes(query)[big.num], owner.outcomes(query)[greedy.num]]).toEqual([
          'answered',
          'over_budget',
        ]);
        session.socket.close();
        taker.socket.close();
      });

      it('passes over rows for queries it does not know, and closes on a malformed query end', async () => {
        const session = await (await enrolled()).connect(gateway.url);
        session.answer(0xfffffff0, row('x'));
        session.send(FRAME.queryEnd, 0xfffffff0, row('x'));
        const query = owner.ask(owner.query({ selector: `id=${session.agent.agentId}` }));
        const { ref } = await session.next(FRAME.query);
        await owner.until(() => owner.targeted(query).length === 1);
        session.send(FRAME.queryEnd, ref, row('x'));
        expect(await session.closed).toBe(CLOSE.protocolError.code);
      });
    });

    it('answers a ping on its own subject, which its beat names', async () => {
      let id = '';
      const subscription = lab.broker.bus.subscribe(SUBJECTS.gatewayBeats, ({ data }) => {
        id = (decodeCbor(data) as { gateway: string }).gateway;
      });
      while (id === '') await lab.broker.bus.flush();
      subscription.unsubscribe();
      const reply = await lab.broker.bus.request(SUBJECTS.gateway(id as never), encodeBusMessage({ t: 'ping' }), {
        timeoutMs: 2_000,
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
