import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOSE, encodeCbor, FRAME } from '@muster/protocol';
import { GatewayHarness } from './testing/running-gateway.js';
import { TestAgent } from './testing/test-agent.js';
import { TestCoordinator } from './testing/test-coordinator.js';

const row = (...values: (string | number)[]): Uint8Array => encodeCbor(values);

describe('two gateways', () => {
  let lab: GatewayHarness;
  beforeAll(async () => {
    lab = await GatewayHarness.open();
  });
  afterAll(() => lab.close());

  it('close the older session on the other gateway when an agent moves', async () => {
    const [one, two] = [await lab.startGateway(), await lab.startGateway()];
    const agent = new TestAgent();
    await agent.enroll(one.url);
    const first = await agent.connect(one.url);
    const second = await agent.connect(two.url);
    expect(await first.closed).toBe(CLOSE.superseded.code);
    second.close();
  });

  it('a gateway frozen past its lease is fenced when it resumes: it reports nothing and closes its sockets', async () => {
    const frozen = await lab.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
    const other = await lab.startGateway();
    const owner = await new TestCoordinator(lab.broker).start();
    const agent = new TestAgent();
    await agent.enroll(frozen.url);
    const old = await agent.connect(frozen.url);
    frozen.kill('SIGSTOP');
    const query = owner.query();
    const resumed = new Promise((resolve) => setTimeout(resolve, 3_000));
    const moved = await agent.connect(other.url);
    owner.ask(query);
    moved.answer((await moved.next(FRAME.query)).ref, row('x'));
    await resumed;
    frozen.kill('SIGCONT');
    expect(await old.closed).toBe(CLOSE.fenced.code);
    const later = owner.ask(owner.query());
    moved.answer((await moved.next(FRAME.query)).ref, row('x'));
    // All four gateways of this lab have said whom they ask, the one that resumed under its new id.
    const heard = (): number => new Set(owner.targeted(later).map(({ gateway }) => gateway)).size;
    await owner.until(() => heard() === 4 && owner.outcomes(later)[agent.num] === 'answered');
    const counted = [query, later].map((asked) => owner.targeted(asked).flatMap(({ nums }) => nums));
    expect(counted).toEqual([[agent.num], [agent.num]]);
    moved.close();
  });

  it('keep their sessions when Redis loses everything, and say again who holds whom', async () => {
    const gateway = await lab.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
    const agent = new TestAgent();
    await agent.enroll(gateway.url);
    const session = await agent.connect(gateway.url);
    await lab.redis.kill9();
    const whileAway = new TestAgent();
    await whileAway.enroll(gateway.url);
    const second = await whileAway.connect(gateway.url);
    await lab.redis.restart();
    const owner = await new TestCoordinator(lab.broker).start();
    const query = owner.ask(owner.query({ selector: `id in (${agent.agentId},${whileAway.agentId})` }));
    await Promise.all([session, second].map(async (one) => one.answer((await one.next(FRAME.query)).ref, row('x'))));
    // The two may come in one report or in two: who connected without the registry answers apart.
    await owner.until(() => Object.keys(owner.outcomes(query)).length === 2);
    expect(Object.values(owner.outcomes(query))).toEqual(['answered', 'answered']);
    session.close();
    second.close();
  });
});
