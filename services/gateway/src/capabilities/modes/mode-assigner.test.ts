import { describe, expect, it } from '@jest/globals';
import type { ModeOverride } from '@muster/directory';
import { decodeBody, FRAME, type AgentId, type ModeBody } from '@muster/protocol';
import { createMetrics } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { Hub } from '../../sessions/hub/hub.js';
import { fakeSession, type FakeSession } from '../../testing/fake-session.js';
import { ModeAssigner } from './mode-assigner.js';
import { createModeMetrics } from './mode-metrics.js';
import { parseModePolicy } from './mode-policy.js';

function setUp() {
  const hub = new Hub();
  const clock = new FakeClock();
  const overrides = new Map<AgentId, ModeOverride>();
  const policy = { value: policyOf() };
  const metrics = createMetrics('gateway');
  const assigner = new ModeAssigner({
    hub,
    clock,
    overrides: {
      modeOf: (_org, agentId, nowMs) => {
        const override = overrides.get(agentId);
        return override !== undefined && (override.untilMs ?? Infinity) > nowMs ? override : undefined;
      },
    },
    policy,
    metrics: createModeMetrics(metrics),
  });
  const join = (num: number, options?: Parameters<typeof fakeSession>[1]): FakeSession & { welcome?: ModeBody } => {
    const joined = fakeSession(num, options);
    hub.add(joined.session);
    const welcome = assigner.welcome(joined.session);
    return { ...joined, ...(welcome === undefined ? {} : { welcome }) };
  };
  const override = (nums: number[], change: Partial<ModeOverride> | undefined): void => {
    const whole = { mode: 'live', reason: 'r', by: 'op', atMs: clock.now(), ...change } as const;
    for (const num of nums) {
      const agentId = `a${num}` as AgentId;
      if (change === undefined) overrides.delete(agentId);
      else overrides.set(agentId, whole);
      const session = hub.get(agentId);
      if (session !== undefined) assigner.review(session);
    }
  };
  /** Lets all run that is due, and all that becomes due by it. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 100; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1);
    }
  };
  return { hub, clock, policy, assigner, join, override, settle, metrics };
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

describe('ModeAssigner', () => {
  it('assigns an override at once, and only to agents for which it changes something', async () => {
    const { join, override, settle } = setUp();
    const [one, other] = [join(1), join(2)];
    override([1], { mode: 'poll', intervalMs: 5_000 });
    override([2], { mode: 'live', reason: 'no change' });
    await settle();
    expect(heard(one)).toMatchObject([{ mode: 'poll', intervalMs: 5_000, reason: 'r', spreadMs: 0 }]);
    expect(heard(other)).toEqual([]);
    override([1], { mode: 'poll', intervalMs: 5_000, reason: 'again' });
    await settle();
    expect(heard(one)).toHaveLength(1);
    override([1], { mode: 'poll', intervalMs: 6_000 });
    await settle();
    expect(heard(one)[1]).toMatchObject({ mode: 'poll', intervalMs: 6_000 });
  });

  it('assigns what the policy says when an override is withdrawn', async () => {
    const { join, override, settle } = setUp();
    const one = join(1);
    override([1], { mode: 'poll' });
    await settle();
    override([1], undefined);
    await settle();
    expect(heard(one)).toMatchObject([{ mode: 'poll' }, { mode: 'live', reason: 'default' }]);
  });

  it('assigns a new policy to all agents that it changes, with the rule as reason', async () => {
    const { policy, assigner, join, settle } = setUp();
    const sessions = ['branch', 'branch', 'head'].map((site, num) => join(num, { labels: { site } }));
    policy.value = policyOf({ selector: 'site=branch', mode: 'poll', interval: '2m' });
    assigner.reviewAll();
    await settle();
    expect(sessions.map(heard)).toMatchObject([
      [{ mode: 'poll', intervalMs: 120_000, reason: 'policy: site=branch' }],
      [{ mode: 'poll', intervalMs: 120_000 }],
      [],
    ]);
  });

  it('assigns nothing to agents that did not say that they can change', async () => {
    const { policy, assigner, join, override, settle } = setUp();
    const mute = join(1, { capabilities: [] });
    expect(mute.welcome).toBeUndefined();
    override([1], { mode: 'poll' });
    policy.value = policyOf({ selector: '', mode: 'poll' });
    assigner.reviewAll();
    await settle();
    expect(mute.frames).toEqual([]);
  });

  it('says in WELCOME how long a lease still lasts, and nothing when it is over: the agent knows', async () => {
    const { clock, assigner, join, override, settle } = setUp();
    const untilMs = clock.now() + 60_000;
    override([1], { mode: 'poll', untilMs });
    clock.advance(15_000);
    const one = join(1);
    expect(one.welcome).toMatchObject({ mode: 'poll', lease: { forMs: 45_000, next: { mode: 'live' } } });
    clock.advance(45_000);
    assigner.reviewAll();
    await settle();
    expect(heard(one)).toEqual([]);
    expect(join(1).welcome).toMatchObject({ mode: 'live', reason: 'default' });
  });

  it('assigns a lease again when the policy changes what follows it', async () => {
    const { clock, policy, assigner, join, override, settle } = setUp();
    const one = join(1);
    override([1], { mode: 'live', untilMs: clock.now() + 60_000 });
    await settle();
    policy.value = policyOf({ selector: '', mode: 'poll' });
    assigner.reviewAll();
    await settle();
    expect(heard(one)).toMatchObject([
      { mode: 'live', lease: { next: { mode: 'live' } } },
      { mode: 'live', lease: { next: { mode: 'poll' } }, spreadMs: 0 },
    ]);
  });

  it('spreads many changes in proportion, also over several turns; another poll interval needs no spreading', async () => {
    const { join, override, settle } = setUp();
    const sessions = Array.from({ length: 2_500 }, (_, num) => join(num));
    override(Array.from(sessions.keys()), { mode: 'poll' });
    await settle();
    const spreads = sessions.map((each) => heard(each)[0]?.spreadMs ?? -1);
    expect(Math.max(...spreads)).toBe(5_000);
    expect(Math.min(...spreads)).toBeGreaterThan(4_800);
    const quiet = setUp();
    const many = Array.from({ length: 2_500 }, (_, num) => quiet.join(num));
    quiet.override(Array.from(many.keys()), { mode: 'live', intervalMs: 5_000 });
    await quiet.settle();
    expect(new Set(many.map((each) => heard(each)[0]?.spreadMs))).toEqual(new Set([0]));
  });

  it('remembers an assignment only when it was sent, and skips sessions that have ended', async () => {
    const { join, override, settle, metrics } = setUp();
    const full = join(1, { send: 'dropped' });
    const gone = join(2);
    override([1, 2], { mode: 'poll' });
    gone.session.state = 'closed';
    await settle();
    expect(full.schedules).toHaveLength(1);
    expect(gone.frames).toEqual([]);
    expect(await metrics.registry.metrics()).toMatch(/mode_assignments_total\{mode="poll"\} 0\n/);
  });

  it('does not assign an override that was withdrawn before it was sent', async () => {
    const { join, override, settle } = setUp();
    const one = join(1);
    override([1], { mode: 'poll' });
    override([1], undefined);
    await settle();
    expect(one.frames).toEqual([]);
  });
});
