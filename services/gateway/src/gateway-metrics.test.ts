import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOSE, decodeBody, FLAG_FINAL, FRAME, LIMITS, type MetricsBody } from '@muster/protocol';
import { GatewayHarness, type RunningGateway } from './testing/gateway-harness.js';
import { bytes } from './testing/metrics-harness.js';
import { PollSession } from './testing/poll-session.js';
import { TestAgent } from './testing/test-agent.js';
import type { TestSession } from './testing/test-session.js';
import { TestTelemetry } from './testing/test-telemetry.js';
import { TestViewers } from './testing/test-viewers.js';

async function enrolled(gateway: RunningGateway, change: Partial<TestAgent> = {}): Promise<TestAgent> {
  const agent = Object.assign(new TestAgent(), { capabilities: ['metrics'] }, change);
  expect((await agent.enroll(gateway.url)).status).toBe(201);
  return agent;
}

async function nextMetrics(session: TestSession): Promise<MetricsBody> {
  const decoded = decodeBody('metrics', (await session.next(FRAME.metrics)).body);
  if (!decoded.ok) throw new Error(decoded.fault);
  return decoded.body;
}

describe.each(['live', 'poll'] as const)('host metrics through a gateway, %s', (channel) => {
  let harness: GatewayHarness;
  let gateway: RunningGateway;
  let other: RunningGateway;
  let telemetry: TestTelemetry;
  let viewers: TestViewers;
  const leases: NodeJS.Timeout[] = [];

  beforeAll(async () => {
    harness = await GatewayHarness.open();
    [gateway, other] = await Promise.all([harness.startGateway(), harness.startGateway()]);
    telemetry = new TestTelemetry(harness.broker.bus);
    viewers = new TestViewers(harness.broker.bus);
  });
  afterAll(() => {
    for (const lease of leases) clearInterval(lease);
    return harness.close();
  });

  async function joined(change: Partial<TestAgent> = {}): Promise<{ session: TestSession; agent: TestAgent }> {
    const agent = await enrolled(gateway, { channel, ...change });
    return { agent, session: await agent.connect(gateway.url) };
  }

  /** Watches as an API process does that lives on. */
  function keepWatching(api: string, { agentId }: TestAgent): () => void {
    viewers.watch(api, [agentId], [agentId]);
    const lease = setInterval(() => viewers.watch(api, [agentId]), 500);
    leases.push(lease);
    return () => clearInterval(lease);
  }

  it('an agent is told to measure after WELCOME, its samples go to telemetry services, and so does the end of its session', async () => {
    const { agent, session } = await joined();
    expect(await nextMetrics(session)).toEqual({ everyMs: 60_000 });
    expect(session.types.slice(-2)).toEqual([FRAME.welcome, FRAME.metrics]);
    const { agentId, num } = agent;
    session.send(FRAME.keyframe, 0, bytes('k'));
    session.send(FRAME.delta, 0, bytes('d'));
    await telemetry.until(() => telemetry.itemsOf(agentId).length === 2);
    const items = telemetry.itemsOf(agentId).map(([org, , itsNum, epoch, type]) => [org, itsNum, epoch, type]);
    expect(items).toEqual([FRAME.keyframe, FRAME.delta].map((type) => ['acme', num, session.epoch, type]));
    telemetry.want({ agents: [agentId] });
    await telemetry.until(() => telemetry.itemsOf(agentId).length === 4);
    expect(telemetry.textsOf(agentId)).toEqual(['k', 'd', 'k', 'd']);
    session.close();
    await telemetry.until(() => telemetry.ended.length > 0);
    expect(telemetry.ended).toContainEqual(['acme', agentId, num, session.epoch]);
  });

  it('a sample is as old as its agent says that it was when it sent it; Live has no place for that', async () => {
    const { agent, session } = await joined();
    if (session instanceof PollSession) session.ageMs = 45_000;
    const beforeMs = Date.now();
    session.send(FRAME.keyframe, 0, bytes('k'));
    await telemetry.until(() => telemetry.itemsOf(agent.agentId).length === 1);
    const [item] = telemetry.itemsOf(agent.agentId);
    // It is not older than its session, which has just begun.
    if (channel === 'poll') expect(item?.[5]).toBeLessThanOrEqual(beforeMs);
    expect(item?.[8] === undefined).toBe(channel === 'live');
  });

  it('a viewer gets keyframe, samples and history of an endpoint, until its session ends', async () => {
    const { agent, session } = await joined();
    const { agentId } = agent;
    session.send(FRAME.keyframe, 0, bytes('k'));
    await telemetry.until(() => telemetry.itemsOf(agentId).length === 1);
    const leave = keepWatching('api-1', agent);
    const watched = await nextMetrics(session).then(async (first) => first.watch ?? (await nextMetrics(session)).watch);
    expect(watched?.everyMs).toBe(1_000);
    const { ref } = await session.next(FRAME.metricsHistory);
    session.send(FRAME.history, ref, bytes('past'), FLAG_FINAL);
    session.send(FRAME.delta, 0, bytes('d'));
    await viewers.until(() => viewers.of('watch_history').length > 0 && viewers.textsOf(agentId).includes('d'));
    expect(viewers.of('watch_history')).toMatchObject([{ api: 'api-1', agentId, final: true }]);
    expect(viewers.textsOf(agentId)).toEqual(['k', 'd']);
    leave();
    // Its lease lapses without a word.
    while ((await nextMetrics(session)).watch !== undefined);
    keepWatching('api-2', agent);
    while ((await nextMetrics(session)).watch === undefined);
    session.close();
    await viewers.until(() => viewers.of('watch_ended').length > 0);
    expect(viewers.of('watch_ended')).toEqual([{ t: 'watch_ended', agentId, epoch: session.epoch }]);
  });

  it('an endpoint that moves while it is watched is watched from WELCOME on, and its former session counts no more', async () => {
    const { agent, session } = await joined();
    keepWatching('api-3', agent);
    while ((await nextMetrics(session)).watch === undefined);
    const next = await agent.connect(other.url);
    expect((await nextMetrics(next)).watch).toMatchObject({ everyMs: 1_000 });
    expect(await session.closed).toBe(CLOSE.superseded.code);
    next.send(FRAME.keyframe, 0, bytes('new'));
    await viewers.until(() => viewers.textsOf(agent.agentId).includes('new'));
    const frames = viewers.of('watch_frames').filter(({ agentId }) => agentId === agent.agentId);
    expect(frames.at(-1)?.epoch).toBe(next.epoch);
    expect(next.epoch).toBeGreaterThan(session.epoch);
    next.close();
  });

  it.each([
    ['a sample of an agent without the capability', { capabilities: ['query'] }, 1, CLOSE.protocolError.code],
    ['a sample over the limit', {}, LIMITS.sampleBytes + 1, CLOSE.tooBig.code],
  ])('%s ends the session', async (_what, change, size, code) => {
    const { session } = await joined(change);
    session.send(FRAME.keyframe, 0, new Uint8Array(size));
    expect(await session.closed).toBe(code);
  });

  it('a session that floods is ended, and others go on', async () => {
    const [hostile, honest] = [await joined(), await joined()];
    for (let i = 0; i < 2_500; i += 1) hostile.session.send(FRAME.delta, 0, bytes('x'));
    expect(await hostile.session.closed).toBe(CLOSE.overloaded.code);
    honest.session.send(FRAME.keyframe, 0, bytes('honest'));
    await telemetry.until(() => telemetry.itemsOf(honest.agent.agentId).length === 1);
    const most = channel === 'live' ? 110 : 1_100;
    expect(telemetry.itemsOf(hostile.agent.agentId).length).toBeLessThanOrEqual(most);
    honest.session.close();
  });

  it('samples arrive again when the broker was away, and the keyframe is still there', async () => {
    const { agent, session } = await joined();
    session.send(FRAME.keyframe, 0, bytes('before'));
    await telemetry.until(() => telemetry.itemsOf(agent.agentId).length === 1);
    await harness.nats.kill9();
    session.send(FRAME.delta, 0, bytes('meanwhile'));
    await harness.nats.restart();
    const sender = setInterval(() => session.send(FRAME.delta, 0, bytes('after')), 1_000);
    await telemetry.until(() => telemetry.textsOf(agent.agentId).includes('after'));
    clearInterval(sender);
    telemetry.want({ agents: [agent.agentId] });
    await telemetry.until(() => telemetry.textsOf(agent.agentId).filter((text) => text === 'before').length === 2);
    session.close();
  });
});

describe('a gateway that was frozen past its lease', () => {
  it('passes on nothing that came to it meanwhile, and does not say that its sessions have ended', async () => {
    const harness = await GatewayHarness.open();
    try {
      const gateway = await harness.startGateway({ MUSTER_GATEWAY_LEASE: '2s' });
      const telemetry = new TestTelemetry(harness.broker.bus);
      const agent = await enrolled(gateway);
      const old = await agent.connect(gateway.url);
      old.send(FRAME.keyframe, 0, bytes('before'));
      await telemetry.until(() => telemetry.itemsOf(agent.agentId).length === 1);
      gateway.process.freeze();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      old.send(FRAME.delta, 0, bytes('meanwhile'));
      gateway.process.resume();
      expect(await old.closed).toBe(CLOSE.fenced.code);
      const session = await agent.connect(gateway.url);
      session.send(FRAME.keyframe, 0, bytes('after'));
      await telemetry.until(() => telemetry.itemsOf(agent.agentId).length === 2);
      expect(telemetry.textsOf(agent.agentId)).toEqual(['before', 'after']);
      expect(telemetry.ended).toEqual([]);
      session.close();
    } finally {
      await harness.close();
    }
  });
});
