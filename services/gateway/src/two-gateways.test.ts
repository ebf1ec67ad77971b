import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOSE, encodeCbor, FRAME } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { GatewayHarness } from './testing/gateway-harness.js';
import type { PollSession } from './testing/poll-session.js';
import { TestAgent } from './testing/test-agent.js';
import { TestCoordinator } from './testing/test-coordinator.js';

const row = (...values: (string | number)[]): Uint8Array => encodeCbor(values);

describe('two gateways', () => {
  let harness: GatewayHarness;
  beforeAll(async () => {
    harness = await GatewayHarness.open();
  });
  afterAll(() => harness.close());

  it('close the older session on the other gateway when an agent moves', async () => {
    const [one, two] = await Promise.all([harness.startGateway(), harness.startGateway()]);
    const agent = new TestAgent();
    await agent.enroll(one.url);
    const first = await agent.connect(one.url);
    const second = await agent.connect(two.url);
    expect(await first.closed).toBe(CLOSE.superseded.code);
    second.close();
  });

  it('a gateway frozen past its lease is fenced when it resumes: it reports nothing and closes its sockets', async () => {
    const frozen = await harness.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
    const other = await harness.startGateway();
    const coordinator = await new TestCoordinator(harness.broker).start();
    const agent = new TestAgent();
    await agent.enroll(frozen.url);
    const old = await agent.connect(frozen.url);
    frozen.process.freeze();
    const query = coordinator.query();
    const resumed = new Promise((resolve) => setTimeout(resolve, 3_000));
    const moved = await agent.connect(other.url);
    coordinator.ask(query);
    moved.answer((await moved.next(FRAME.query)).ref, row('x'));
    await resumed;
    frozen.process.resume();
    expect(await old.closed).toBe(CLOSE.fenced.code);
    const later = coordinator.ask(coordinator.query());
    moved.answer((await moved.next(FRAME.query)).ref, row('x'));
    // All four gateways of this harness have reported their targets, the resumed one under its new id.
    const heard = (): number => new Set(coordinator.targeted(later).map(({ gateway }) => gateway)).size;
    await coordinator.until(() => heard() === 4 && coordinator.outcomes(later)[agent.num] === 'answered');
    const counted = [query, later].map((asked) => coordinator.targeted(asked).flatMap(({ nums }) => nums));
    expect(counted).toEqual([[agent.num], [agent.num]]);
    moved.close();
  });

  it('keep their sessions when Redis loses everything, and register them again', async () => {
    const gateway = await harness.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
    const agent = new TestAgent();
    await agent.enroll(gateway.url);
    const session = await agent.connect(gateway.url);
    await harness.redis.kill9();
    const whileAway = new TestAgent();
    await whileAway.enroll(gateway.url);
    const second = await whileAway.connect(gateway.url);
    await harness.redis.restart();
    const coordinator = await new TestCoordinator(harness.broker).start();
    const query = coordinator.ask(coordinator.query({ selector: `id in (${agent.agentId},${whileAway.agentId})` }));
    await Promise.all([session, second].map(async (one) => one.answer((await one.next(FRAME.query)).ref, row('x'))));
    // The two may come in one report or in two: who connected without the registry answers apart.
    await coordinator.until(() => Object.keys(coordinator.outcomes(query)).length === 2);
    expect(Object.values(coordinator.outcomes(query))).toEqual(['answered', 'answered']);
    session.close();
    second.close();
  });

  it('pass polls on without the name of their session: who only sees the bus cannot be the agent', async () => {
    const [one, two] = await Promise.all([harness.startGateway(), harness.startGateway()]);
    const seen: { readonly subject: string; readonly text: string }[] = [];
    const listening = harness.broker.bus.subscribe('>', ({ subject, data }) =>
      seen.push({ subject, text: Buffer.from(data).toString('latin1') }),
    );
    await harness.broker.bus.flush();
    const agent = new TestAgent();
    agent.channel = 'poll';
    await agent.enroll(one.url);
    const session = (await agent.connect(one.url, two.url)) as PollSession;
    const key = createHash('sha256').update(session.name).digest('base64url');
    // The second gateway has asked the first one for this session.
    await eventually(() => Promise.resolve(seen.some(({ text }) => text.includes(key))), 'a poll was passed on');
    const [, random = '', mac = ''] = session.name.split('.');
    expect(seen.filter(({ text }) => text.includes(random) || text.includes(mac))).toEqual([]);
    listening.unsubscribe();
    session.close();
  });
});
