import { describe, expect, test } from '@jest/globals';
import { CLOSE, FRAME } from '@muster/protocol';
import type { FakeGatewayOptions } from '../testing/fake-gateway.js';
import { type ManagerSetup, modeBody, startAssigned } from '../testing/connection-fixture.js';

const SECOND = 1_000;

describe('Live that is not available', () => {
  test.each<[string, FakeGatewayOptions]>([
    ['a load balancer answers', { refuse: () => ({ status: 502 }) }],
    ['a proxy forbids it', { refuse: () => ({ status: 403, body: 'no' }) }],
    ['a proxy takes the upgrade away', { refuse: () => ({ status: 426, body: { code: 'upgrade_required' } }) }],
    ['something wants a password', { refuse: () => ({ status: 401 }) }],
  ])('%s: it polls after the third failure, and reports for how long and why', async (_name, options) => {
    const { gateway, agent } = await startAssigned(options, { random: () => 0.5 });
    await agent.logged(/no session/);
    await agent.clock.advanceAsync(500);
    await agent.logged(/no session/, 2);
    await agent.clock.advanceAsync(SECOND);
    await agent.logged(/no session/, 3);
    await agent.clock.advanceAsync(2 * SECOND);
    const session = await gateway.nextPoll();
    const { status } = options.refuse!({} as never)!;
    const { away } = await session.welcome();
    expect(away).toMatchObject({ forMs: 3_500, failures: 3 });
    expect(away!.why).toContain(`the upgrade was answered with ${status}`);
    expect([gateway.upgrades, agent.enrolments(), agent.token()]).toEqual([3, 0, 'first']);
  });

  test('sessions that are cut soon after they were ready count too', async () => {
    const { gateway, agent } = await startAssigned();
    for (let times = 1; times <= 3; times += 1) {
      const session = await gateway.nextLive();
      await session.welcome({ epoch: times });
      await agent.logged(/session ready/, times);
      await agent.clock.advanceAsync(20 * SECOND);
      session.end(1006);
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(0);
    }
    const { away, replaces } = await (await gateway.nextPoll()).welcome();
    expect([replaces, away]).toEqual([3, { forMs: 40_000, failures: 3, why: 'the connection was cut after 20 s' }]);
  });

  test('sessions that go silent once they are ready count too', async () => {
    const { gateway, agent } = await startAssigned();
    for (let times = 1; times <= 3; times += 1) {
      const session = await gateway.nextLive();
      await session.welcome({ epoch: times });
      await agent.logged(/session ready/, times);
      session.socket.pause();
      await agent.clock.advanceAsync(54 * SECOND);
      await agent.logged(/no session: gateway_silent/, times);
      await agent.clock.advanceAsync(0);
    }
    const { away } = await (await gateway.nextPoll()).welcome();
    expect(away).toMatchObject({ failures: 3, why: 'nothing was heard after 54 s' });
  });

  test('Live is probed beside the Poll session, which ends only when Live is ready', async () => {
    let isBroken = true;
    const { gateway, agent } = await startAssigned(
      { refuse: () => (isBroken ? { status: 502 } : undefined) },
      { random: () => 0.5 },
    );
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(2 * SECOND);
    }
    const poll = await gateway.nextPoll();
    await poll.welcome({ epoch: 5, mode: modeBody('live') });
    await agent.logged(/session ready/);
    expect(gateway.upgrades).toBe(3);
    // Drawn at the third failure, two seconds ago: half of 30 s.
    await agent.clock.advanceAsync(13 * SECOND - 1);
    expect(gateway.upgrades).toBe(3);
    await agent.clock.advanceAsync(1);
    await agent.logged(/live is not available yet/);
    expect([gateway.upgrades, poll.isOpen, agent.manager.state]).toEqual([4, true, 'active']);
    isBroken = false;
    await agent.clock.advanceAsync(30 * SECOND);
    const live = await gateway.nextLive();
    const { away, replaces } = await live.hello();
    expect([replaces, away?.failures]).toEqual([5, 4]);
    expect([poll.isOpen, agent.manager.mode]).toEqual([true, 'poll']);
    live.sendWelcome({ epoch: 6 });
    expect(await poll.closed).toBe(1000);
    await agent.clock.advanceAsync(31 * SECOND);
    live.reconnect();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const { away: none } = await (await gateway.nextLive()).welcome({ epoch: 7 });
    expect(none).toBeUndefined();
  });

  test('Live that works again and is cut soon is left for Poll at once', async () => {
    let isBroken = true;
    const { gateway, agent } = await startAssigned({ refuse: () => (isBroken ? { status: 502 } : undefined) });
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(0);
    }
    isBroken = false;
    await (await gateway.nextPoll()).welcome();
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(0);
    const live = await gateway.nextLive();
    await live.welcome();
    await agent.logged(/session ready/, 2);
    live.end(1006);
    await agent.logged(/no session/, 4);
    await agent.clock.advanceAsync(0);
    expect((await (await gateway.nextPoll()).welcome()).away).toMatchObject({ failures: 4 });
  });

  test('when Poll fails too, attempts alternate with one backoff', async () => {
    const refuse = (): { status: number } => ({ status: 502 });
    const { gateway, agent } = await startAssigned({ refuse, refusePoll: refuse }, { random: () => 0.999_999 });
    const seen: string[] = [];
    const atMs: number[] = [];
    for (let times = 1; times <= 9; times += 1) {
      await agent.logged(/no session/, times);
      atMs.push(agent.clock.monotonic());
      seen.push(`${gateway.upgrades}+${gateway.opens}`);
      await agent.clock.advanceAsync(Math.min(60_000, 1_000 * 2 ** (times - 1)) - 1);
    }
    expect(seen).toEqual(['1+0', '2+0', '3+0', '3+1', '4+1', '4+2', '5+2', '5+3', '6+3']);
    expect(atMs.at(-1)! - atMs.at(-2)!).toBe(59_999);
  });

  test('a gateway that is full or refuses the agent is not polled instead', async () => {
    const { gateway, agent } = await startAssigned({ refuse: () => ({ status: 503, body: { code: 'gateway_full' } }) });
    for (let times = 1; times <= 6; times += 1) {
      await agent.logged(/connect refused: 503/, times);
      await agent.clock.advanceAsync(0);
    }
    expect(gateway.opens).toBe(0);
  });

  test('a move by RECONNECT during a fallback stays on Poll', async () => {
    const { gateway, agent } = await startAssigned({ refuse: () => ({ status: 502 }) }, { random: () => 0.5 });
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(2 * SECOND);
    }
    const poll = await gateway.nextPoll();
    await poll.welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    poll.reconnect();
    agent.sessions[0]!.session.send(FRAME.report, 0, new Uint8Array());
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const next = await gateway.nextPoll();
    expect(await next.welcome({ epoch: 2 })).toMatchObject({ replaces: 1, away: { failures: 3 } });
    expect(await poll.closed).toBe(1000);
  });

  test('a Poll session that is lost during a probe waits only for the probe', async () => {
    let hold = false;
    const { gateway, agent } = await startAssigned({ refuse: () => (hold ? undefined : { status: 502 }) });
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(0);
    }
    hold = true;
    const poll = await gateway.nextPoll();
    await poll.welcome();
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(0);
    await (await gateway.nextLive()).hello();
    poll.end(CLOSE.draining.code);
    agent.sessions[0]!.session.send(FRAME.report, 0, new Uint8Array());
    await agent.logged(/session ended/);
    expect(agent.manager.state).toBe('connecting');
    await agent.clock.advanceAsync(15 * SECOND);
    await agent.logged(/no session: no_session_in_time/);
    await agent.clock.advanceAsync(0);
    await (await gateway.nextPoll()).welcome();
    await agent.logged(/session ready/, 2);
  });

  /**
   * A poll session of an agent that is away; what its attempts to have Live back meet with, and what its enrolments do,
   * is up to the test.
   */
  async function away(options: FakeGatewayOptions, setup: ManagerSetup = {}) {
    let isAway = false;
    const { gateway, agent } = await startAssigned(
      { ...options, refuse: (request) => (isAway ? options.refuse?.(request) : { status: 502 }) },
      { random: () => 0.5, ...setup },
    );
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(2 * SECOND);
    }
    isAway = true;
    const poll = await gateway.nextPoll();
    await poll.welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    return { gateway, agent, poll };
  }

  test('Poll assigned by WELCOME ends the fallback', async () => {
    let isBroken = true;
    const { gateway, agent, poll } = await away({ refuse: () => (isBroken ? { status: 502 } : undefined) });
    poll.reconnect();
    await agent.fetch();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const next = await gateway.nextPoll();
    await next.welcome({ epoch: 2, mode: modeBody('poll') });
    await agent.logged(/session ready/, 2);
    isBroken = false;
    next.assignMode({ mode: 'live' });
    await agent.fetch();
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    expect((await (await gateway.nextLive()).hello()).away).toBeUndefined();
  });

  test('a refused token and a failed enrolment during a fallback do not lead to a busy loop', async () => {
    const { gateway, agent, poll } = await away(
      { refuse: () => ({ status: 401, body: { code: 'token_expired' } }) },
      { enrol: () => ({ kind: 'refused', refusal: { status: 401, code: 'enrolment_refused' } }) },
    );
    await agent.clock.advanceAsync(13 * SECOND);
    await agent.logged(/live is not available yet/);
    expect([gateway.upgrades, agent.token()]).toEqual([4, undefined]);
    // The next attempt needs a token first.
    await agent.clock.advanceAsync(30 * SECOND);
    await agent.logged(/enrol refused: 401/);
    await agent.clock.advanceAsync(10 * SECOND);
    expect([agent.enrolments(), poll.isOpen, agent.manager.state]).toEqual([1, true, 'active']);
  });

  test('a renewal that is due during a probe of Live is made after it', async () => {
    let isBusy = false;
    const { gateway, agent, poll } = await away({ refusePoll: () => (isBusy ? { status: 502 } : undefined) });
    await agent.clock.advanceAsync(12 * SECOND);
    isBusy = true;
    agent.manager.renew();
    await agent.clock.advanceAsync(0);
    // Again in 4 s; Live is tried in one, and nothing comes of it for 15.
    await agent.logged(/session not moved yet/);
    isBusy = false;
    await agent.clock.advanceAsync(1 * SECOND);
    await (await gateway.nextLive()).hello();
    await agent.clock.advanceAsync(15 * SECOND);
    await agent.logged(/live is not available yet/);
    await agent.clock.advanceAsync(0);
    expect(await (await gateway.nextPoll()).welcome({ epoch: 2 })).toMatchObject({ replaces: 1 });
    expect(await poll.closed).toBe(1000);
  });
});
