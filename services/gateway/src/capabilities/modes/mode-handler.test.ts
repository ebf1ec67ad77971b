import { describe, expect, it } from '@jest/globals';
import type { ModeOverride } from '@muster/directory';
import { decodeBody, FRAME, type AgentId, type ModeBody, type OrgId } from '@muster/protocol';
import { createMetrics } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { Hub } from '../../sessions/hub/hub.js';
import { fakeSession, type FakeSession } from '../../testing/fake-session.js';
import { ORG } from '../../testing/running-gateway.js';
import { ModeHandler } from './mode-handler.js';
import { createModeMetrics } from './mode-metrics.js';
import { parseModePolicy } from './mode-policy.js';

function setUp() {
  const hub = new Hub();
  const clock = new FakeClock();
  const orders = new Map<AgentId, ModeOverride>();
  const state = { policy: policyOf() };
  const metrics = createMetrics('gateway');
  const desk = new ModeHandler({
    hub,
    clock,
    overrides: {
      orderOf: (_org, agentId, nowMs) => {
        const order = orders.get(agentId);
        return order !== undefined && (order.untilMs ?? Infinity) > nowMs ? order : undefined;
      },
    },
    policy: () => state.policy,
    metrics: createModeMetrics(metrics),
  });
  const join = (num: number, options?: Parameters<typeof fakeSession>[1]): FakeSession & { welcome?: ModeBody } => {
    const joined = fakeSession(num, options);
    hub.add(joined.session);
    const welcome = desk.welcome(joined.session);
    return { ...joined, ...(welcome === undefined ? {} : { welcome }) };
  };
  const order = (nums: number[], change: Partial<ModeOverride> | undefined): void => {
    const whole = { mode: 'live', reason: 'r', by: 'op', atMs: clock.now(), ...change } as const;
    for (const num of nums) {
      const agentId = `a${num}` as AgentId;
      if (change === undefined) orders.delete(agentId);
      else orders.set(agentId, whole);
      desk.ordered(ORG as OrgId, agentId);
    }
  };
  /** Lets all run that is due, and all that becomes due by it. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 100; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1);
    }
  };
  return { hub, clock, state, desk, join, order, settle, metrics };
}

function policyOf(...rules: object[]) {
  const parsed = parseModePolicy(JSON.stringify({ rules }));
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  return parsed.value;
}

function heard({ frames }: FakeSession): ModeBody[] {
  return frames.map(({ type, body }) => {
    const decoded = decodeBody('mode', body);
    if (type !== FRAME.mode || !decoded.ok) throw new Error('not a MODE frame');
    return decoded.body;
  });
}

describe('ModeDesk', () => {
  it('tells of an order at once, and only those whom it changes anything for', async () => {
    const { join, order, settle } = setUp();
    const [one, other] = [join(1), join(2)];
    order([1], { mode: 'poll', intervalMs: 5_000 });
    order([2], { mode: 'live', reason: 'it is so already' });
    await settle();
    expect(heard(one)).toMatchObject([{ mode: 'poll', intervalMs: 5_000, reason: 'r', spreadMs: 0 }]);
    expect(heard(other)).toEqual([]);
    order([1], { mode: 'poll', intervalMs: 5_000, reason: 'again' });
    await settle();
    expect(heard(one)).toHaveLength(1);
    order([1], { mode: 'poll', intervalMs: 6_000 });
    await settle();
    expect(heard(one)[1]).toMatchObject({ mode: 'poll', intervalMs: 6_000 });
  });

  it('tells of an order that is withdrawn', async () => {
    const { join, order, settle } = setUp();
    const one = join(1);
    order([1], { mode: 'poll' });
    await settle();
    order([1], undefined);
    await settle();
    expect(heard(one)).toMatchObject([{ mode: 'poll' }, { mode: 'live', reason: 'default' }]);
  });

  it('tells everybody whom a new policy changes, in the words of the rule', async () => {
    const { state, desk, join, settle } = setUp();
    const sessions = ['branch', 'branch', 'head'].map((site, num) => join(num, { labels: { site } }));
    state.policy = policyOf({ selector: 'site=branch', mode: 'poll', interval: '2m' });
    desk.reviewAll();
    await settle();
    expect(sessions.map(heard)).toMatchObject([
      [{ mode: 'poll', intervalMs: 120_000, reason: 'policy: site=branch' }],
      [{ mode: 'poll', intervalMs: 120_000 }],
      [],
    ]);
  });

  it('says nothing to agents that did not say that they can change', async () => {
    const { state, desk, join, order, settle } = setUp();
    const mute = join(1, { canChangeMode: false });
    expect(mute.welcome).toBeUndefined();
    order([1], { mode: 'poll' });
    state.policy = policyOf({ selector: '', mode: 'poll' });
    desk.reviewAll();
    await settle();
    expect(mute.frames).toEqual([]);
  });

  it('says in WELCOME how long a lease has to go, and nothing when it is over: the agent knows', async () => {
    const { clock, desk, join, order, settle } = setUp();
    const untilMs = clock.now() + 60_000;
    order([1], { mode: 'poll', untilMs });
    clock.advance(15_000);
    const one = join(1);
    expect(one.welcome).toMatchObject({ mode: 'poll', lease: { forMs: 45_000, next: { mode: 'live' } } });
    clock.advance(45_000);
    desk.reviewAll();
    await settle();
    expect(heard(one)).toEqual([]);
    expect(join(1).welcome).toMatchObject({ mode: 'live', reason: 'default' });
  });

  it('tells in a lease what follows it anew when the policy has changed', async () => {
    const { clock, state, desk, join, order, settle } = setUp();
    const one = join(1);
    order([1], { mode: 'live', untilMs: clock.now() + 60_000 });
    await settle();
    state.policy = policyOf({ selector: '', mode: 'poll' });
    desk.reviewAll();
    await settle();
    expect(heard(one)).toMatchObject([
      { mode: 'live', lease: { next: { mode: 'live' } } },
      { mode: 'live', lease: { next: { mode: 'poll' } }, spreadMs: 0 },
    ]);
  });

  it('gives many time in proportion, also when they are told in several turns; who only polls at another interval needs none', async () => {
    const { join, order, settle } = setUp();
    const sessions = Array.from({ length: 2_500 }, (_, num) => join(num));
    order(Array.from(sessions.keys()), { mode: 'poll' });
    await settle();
    const spreads = sessions.map((each) => heard(each)[0]?.spreadMs ?? -1);
    expect(Math.max(...spreads)).toBe(5_000);
    expect(Math.min(...spreads)).toBeGreaterThan(4_800);
    const quiet = setUp();
    const many = Array.from({ length: 2_500 }, (_, num) => quiet.join(num));
    quiet.order(Array.from(many.keys()), { mode: 'live', intervalMs: 5_000 });
    await quiet.settle();
    expect(new Set(many.map((each) => heard(each)[0]?.spreadMs))).toEqual(new Set([0]));
  });

  it('takes for told only what was sent, and passes over sessions that have ended', async () => {
    const { join, order, settle, metrics } = setUp();
    const full = join(1, { send: 'dropped' });
    const gone = join(2);
    order([1, 2], { mode: 'poll' });
    gone.session.state = 'closed';
    await settle();
    expect(full.session.told?.mode).toBe('live');
    expect(gone.frames).toEqual([]);
    expect(await metrics.registry.metrics()).not.toMatch(/modes_told_total\{mode="poll"\}/);
  });

  it('does not tell of what was taken back before it was told', async () => {
    const { join, order, settle } = setUp();
    const one = join(1);
    order([1], { mode: 'poll' });
    order([1], undefined);
    await settle();
    expect(one.frames).toEqual([]);
  });

  it('does not look at an agent of another org with the same id', async () => {
    const { desk, join, settle, state } = setUp();
    const one = join(1);
    state.policy = policyOf({ selector: '', mode: 'poll' });
    desk.ordered('globex' as OrgId, one.session.agentId);
    await settle();
    expect(one.frames).toEqual([]);
  });
});
