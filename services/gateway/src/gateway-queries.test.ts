import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOSE, decodeCbor, decodeRow, encodeCbor, FRAME } from '@muster/protocol';
import { readAnswerBlock, readGroupBlock } from '@muster/records';
import { GatewayHarness, type RunningGateway } from './testing/gateway-harness.js';
import { TestAgent } from './testing/test-agent.js';
import { TestCoordinator } from './testing/test-coordinator.js';
import type { TestSession } from './testing/test-session.js';

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

    describe('queries', () => {
      it('targets the agents that the selector selects, and reports every outcome once', async () => {
        const labels = { test: 'outcomes' };
        const agents = await Promise.all(Array.from({ length: 6 }, () => enrolled({ labels })));
        const sessions = await Promise.all(agents.map((agent) => agent.connect(gateway.url)));
        const query = coordinator.ask(coordinator.query({ selector: 'test=outcomes' }));
        const refs = await Promise.all(sessions.map(async (session) => (await session.next(FRAME.query)).ref));
        const [a, b, c, d, e, f] = sessions;
        a?.answer(refs[0] ?? 0, row('same'));
        b?.answer(refs[1] ?? 0, row('same'));
        c?.answer(refs[2] ?? 0, new Uint8Array());
        d?.fail(refs[3] ?? 0, 'refused');
        e?.answer(refs[4] ?? 0, row('too', 'many'));
        f?.cut();
        await coordinator.until(() => coordinator.partials(query).some(({ settled }) => settled));
        const nums = agents.map(({ num }) => num);
        expect(coordinator.targeted(query)).toMatchObject([{ joined: false, nums: nums.toSorted((x, y) => x - y) }]);
        const expected = ['answered', 'answered', 'empty', 'refused', 'error', 'disconnected'];
        expect(nums.map((num) => coordinator.outcomes(query)[num])).toEqual(expected);
        const groups = coordinator.partials(query).flatMap(({ groups: block }) => [...readGroupBlock(block)]);
        expect(groups.reduce((sum, { endpoints }) => sum + endpoints, 0)).toBe(2);
        expect(decodeRow(groups[0]?.row ?? new Uint8Array())).toEqual(['same']);
        for (const session of sessions) session.cut();
      });

      it('asks agents that connect while the query runs, and reports their answers apart', async () => {
        const agent = await enrolled({ labels: { test: 'late' } });
        const query = coordinator.ask(coordinator.query({ selector: 'test=late' }));
        await coordinator.until(() => coordinator.targeted(query).length === 1);
        const session = await agent.connect(gateway.url);
        session.answer((await session.next(FRAME.query)).ref, row('late'));
        await coordinator.until(() => coordinator.partials(query).some(({ answers }) => answers.length > 0));
        expect(coordinator.targeted(query)).toMatchObject([
          { joined: false, nums: [] },
          { joined: true, nums: [agent.num] },
        ]);
        const answers = coordinator.partials(query).flatMap(({ answers: block }) => [...readAnswerBlock(block)]);
        expect(answers.map(({ num }) => num)).toEqual([agent.num]);
        session.close();
      });

      it('asks the newer session of an agent that has not answered, and does not report the older one as disconnected', async () => {
        const agent = await enrolled({ labels: { test: 'reopened' } });
        const older = await agent.connect(gateway.url);
        const query = coordinator.ask(coordinator.query({ selector: 'test=reopened' }));
        await older.next(FRAME.query);
        const newer = await agent.connect(gateway.url);
        const { ref } = await newer.next(FRAME.query);
        expect(await older.closed).toBe(CLOSE.superseded.code);
        const soFar = coordinator.partials(query).length;
        await coordinator.until(() => coordinator.partials(query).length > soFar);
        expect(coordinator.partials(query).some(({ settled }) => settled)).toBe(false);
        newer.answer(ref, row('x'));
        await coordinator.until(() => coordinator.outcomes(query)[agent.num] === 'answered');
        expect(coordinator.partials(query).flatMap(({ failures }) => failures)).toEqual([]);
        newer.close();
      });

      it('does not ask an agent again that has answered over an older session', async () => {
        const agent = await enrolled({ labels: { test: 'answered' } });
        const older = await agent.connect(gateway.url);
        const query = coordinator.ask(coordinator.query({ selector: 'test=answered', mode: 'raw' }));
        older.answer((await older.next(FRAME.query)).ref, row('x'));
        await coordinator.until(() => coordinator.outcomes(query)[agent.num] === 'answered');
        const newer = await agent.connect(gateway.url);
        const next = coordinator.ask(coordinator.query({ selector: 'test=answered' }));
        const { ref, body } = await newer.next(FRAME.query);
        expect(decodeCbor(body)).toMatchObject({ id: next.id });
        newer.answer(ref, row('x'));
        await coordinator.until(() => coordinator.outcomes(next)[agent.num] === 'answered');
        expect(coordinator.targeted(query)).toHaveLength(1);
        newer.close();
      });

      it('does not go on asking an agent that ends its session over the question, and asks it the next one', async () => {
        const agent = await enrolled({ labels: { test: 'leaves' } });
        const query = coordinator.ask(coordinator.query({ selector: 'test=leaves' }));
        const failures = () => coordinator.partials(query).flatMap((partial) => partial.failures);
        for (let times = 1; times <= 3; times += 1) {
          const session = await agent.connect(gateway.url);
          await session.next(FRAME.query);
          session.cut();
          await coordinator.until(() => failures().length === times);
        }
        const message = expect.stringMatching(/3 times: it is not asked again/);
        expect(failures().at(-1)).toEqual([agent.num, 'disconnected', 'disconnected', message]);
        const session = await agent.connect(gateway.url);
        const next = coordinator.ask(coordinator.query({ selector: 'test=leaves' }));
        const { ref, body } = await session.next(FRAME.query);
        expect(decodeCbor(body)).toMatchObject({ id: next.id });
        session.answer(ref, row('x'));
        await coordinator.until(() => coordinator.outcomes(next)[agent.num] === 'answered');
        session.close();
      });

      it('counts an agent that did not say that it answers queries as refused, at once', async () => {
        const labels = { test: 'mute' };
        const mute = await enrolled({ labels, capabilities: ['later'] });
        const able = await enrolled({ labels });
        const sessions = [await mute.connect(gateway.url), await able.connect(gateway.url)];
        const query = coordinator.ask(coordinator.query({ selector: 'test=mute' }));
        sessions[1]?.answer((await sessions[1].next(FRAME.query)).ref, row('x'));
        await coordinator.until(() => coordinator.partials(query).some(({ settled }) => settled));
        expect(coordinator.outcomes(query)).toEqual({ [mute.num]: 'refused', [able.num]: 'answered' });
        for (const session of sessions) session.close();
      });

      it('begins a query that it learns of only by a heartbeat of its coordinator, with all agents as joined', async () => {
        const agent = await enrolled({ labels: { test: 'heartbeat' } });
        const session = await agent.connect(gateway.url);
        const query = coordinator.query({ selector: 'test=heartbeat' });
        coordinator.heartbeat(query);
        session.answer((await session.next(FRAME.query)).ref, row('x'));
        await coordinator.until(() => coordinator.partials(query).some(({ settled }) => settled));
        expect(coordinator.targeted(query)).toMatchObject([{ joined: true, nums: [agent.num] }]);
        session.close();
      });

      it('ends at the deadline: agents that have not answered time out and get a cancel', async () => {
        const agent = await enrolled({ labels: { test: 'deadline' } });
        const session = await agent.connect(gateway.url);
        const nowMs = Date.now();
        const query = coordinator.ask(
          coordinator.query({ selector: 'test=deadline', nowMs, deadlineMs: nowMs + 1_000 }),
        );
        const cancel = await session.next(FRAME.cancel);
        expect(decodeCbor(cancel.body)).toEqual({ reason: 'deadline' });
        await coordinator.until(() => coordinator.partials(query).some(({ settled }) => settled));
        expect(coordinator.outcomes(query)[agent.num]).toBe('timed_out');
        session.close();
      });

      it('sends empty updates while nothing happens', async () => {
        const agent = await enrolled({ labels: { test: 'quiet' } });
        const session = await agent.connect(gateway.url);
        const query = coordinator.ask(coordinator.query({ selector: 'test=quiet' }));
        await coordinator.until(() => coordinator.partials(query).length >= 2);
        expect(coordinator.outcomes(query)).toEqual({});
        session.close();
      });

      it('gives more credit to a large answer, and ends one over the budget', async () => {
        const big = await enrolled({ labels: { test: 'credit' } });
        const greedy = await enrolled({ labels: { test: 'credit' } });
        const [session, taker] = [await big.connect(gateway.url), await greedy.connect(gateway.url)];
        const query = coordinator.ask(coordinator.query({ selector: 'test=credit' }));
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
        await coordinator.until(() => coordinator.partials(query).some(({ settled }) => settled));
        expect([coordinator.outcomes(query)[big.num], coordinator.outcomes(query)[greedy.num]]).toEqual([
          'answered',
          'over_budget',
        ]);
        session.close();
        taker.close();
      });

      it('ignores rows for queries that it does not know, and closes on a malformed query end', async () => {
        const session = await (await enrolled()).connect(gateway.url);
        session.answer(0xfffffff0, row('x'));
        session.send(FRAME.queryEnd, 0xfffffff0, row('x'));
        const query = coordinator.ask(coordinator.query({ selector: `id=${session.agent.agentId}` }));
        const { ref } = await session.next(FRAME.query);
        await coordinator.until(() => coordinator.targeted(query).length === 1);
        session.send(FRAME.queryEnd, ref, row('x'));
        expect(await session.closed).toBe(CLOSE.protocolError.code);
      });
    });
  });
}
