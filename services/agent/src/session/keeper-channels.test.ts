import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CLOSE, FRAME } from '@muster/protocol';
import { type FakeClock, silentLogger } from '@muster/runtime/program';
import type { FakeGatewayOptions } from '../testing/fake-gateway.js';
import { atEnd, type KeeperSetup, startGateway, startKeeper } from '../testing/keeper-fixture.js';
import { ToldMode } from './told-mode.js';

const SECOND = 1_000;
const MINUTE = 60_000;

function told(): (clock: FakeClock) => ToldMode {
  const folder = mkdtempSync(join(tmpdir(), 'muster-channels-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return (clock) => new ToldMode({ folder, clock, log: silentLogger });
}

async function start(options: FakeGatewayOptions = {}, setup: KeeperSetup = {}) {
  const gateway = await startGateway(options);
  const agent = await startKeeper([gateway.origin], { wanted: told(), random: () => 0, ...setup });
  return { gateway, agent };
}

/** A ready session of an agent that was told to use the channel. */
async function held(mode: 'live' | 'poll', setup?: KeeperSetup) {
  const { gateway, agent } = await start({}, setup);
  const first = await gateway.nextLive();
  await first.welcome({ epoch: 1, ...(mode === 'poll' && { mode: said('poll') }) });
  await agent.logged(/session ready/);
  if (mode === 'live') return { gateway, agent, session: first };
  await agent.clock.advanceAsync(0);
  const session = await gateway.nextPoll();
  await session.welcome({ epoch: 2, mode: said('poll') });
  await agent.logged(/session ready/, 2);
  expect(await first.closed).toBe(1000);
  return { gateway, agent, session };
}

function said(mode: 'live' | 'poll', more: { spreadMs?: number; intervalMs?: number } = {}) {
  return { mode, intervalMs: MINUTE, reason: 'test', spreadMs: 0, ...more };
}

describe('told which channel to use', () => {
  test('by WELCOME: the other one is ready before the first is left, and says what it replaces', async () => {
    const { agent, session } = await held('poll');
    expect(agent.keeper.mode).toBe('poll');
    expect(agent.works.map(({ mode, ended }) => [mode, ended])).toEqual([
      ['live', true],
      ['poll', false],
    ]);
    expect(session.isOpen).toBe(true);
    expect(agent.log.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('by MODE, to poll: after a random part of the spread, and the work goes on until then', async () => {
    const { gateway, agent, session } = await held('live', { random: () => 0.5 });
    session.tell({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(4_999);
    expect(gateway.opens).toBe(0);
    await agent.clock.advanceAsync(1);
    const next = await gateway.nextPoll();
    expect(await next.hello()).toMatchObject({ replaces: 1 });
    expect([agent.keeper.mode, agent.keeper.state, agent.works[0]!.ended]).toEqual(['live', 'moving', false]);
    next.sayWelcome({ epoch: 2 });
    expect(await session.closed).toBe(1000);
    expect(agent.keeper.mode).toBe('poll');
  });

  test('by MODE, to Live: at the next poll, at once', async () => {
    const { gateway, agent, session } = await held('poll');
    session.tell({ mode: 'live' });
    await agent.fetch();
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(0);
    const next = await gateway.nextLive();
    expect(await next.welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await session.closed).toBe(1000);
    expect(agent.keeper.mode).toBe('live');
  });

  test('otherwise again before it has changed, it stays where it is', async () => {
    const { gateway, agent, session } = await held('live', { random: () => 0.5 });
    session.tell({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/told which channel to use/);
    session.tell({ mode: 'live', spreadMs: 10_000 });
    await agent.logged(/told which channel to use/, 2);
    await agent.clock.advanceAsync(20_000);
    expect([gateway.opens, session.isOpen, agent.keeper.state]).toEqual([0, true, 'held']);
  });

  test('otherwise again while it changes, it comes back when it has changed', async () => {
    const { gateway, agent, session } = await held('live');
    session.tell({ mode: 'poll' });
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(0);
    const poll = await gateway.nextPoll();
    await poll.hello();
    session.tell({ mode: 'live' });
    await agent.logged(/told which channel to use/, 2);
    poll.sayWelcome({ epoch: 2 });
    await agent.logged(/session ready/, 2);
    await agent.clock.advanceAsync(0);
    expect(await (await gateway.nextLive()).welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await poll.closed).toBe(1000);
    expect(agent.keeper.mode).toBe('live');
  });

  test('twice in a row, the later word counts', async () => {
    const { agent, session } = await held('poll');
    session.tell({ mode: 'poll', intervalMs: 5_000 });
    session.tell({ mode: 'poll', intervalMs: 10_000 });
    await agent.fetch();
    await agent.logged(/told which channel to use/, 2);
    const before = session.mode === 'poll' ? session.requests.length : 0;
    await agent.clock.advanceAsync(9_999);
    expect(session.mode === 'poll' && session.requests.length).toBe(before);
    await agent.clock.advanceAsync(1);
    if (session.mode === 'poll') await session.polled(before + 1);
  });

  test('a lease ends by itself, without a word from anybody', async () => {
    const { gateway, agent, session } = await held('poll');
    session.tell({ mode: 'live', lease: { forMs: 2 * MINUTE, next: { mode: 'poll', intervalMs: MINUTE } } });
    await agent.fetch();
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(0);
    const live = await gateway.nextLive();
    await live.welcome({ epoch: 3, heartbeatMs: 5 * MINUTE });
    await agent.logged(/session ready/, 3);
    await agent.clock.advanceAsync(2 * MINUTE - 1);
    expect(gateway.opens).toBe(1);
    await agent.clock.advanceAsync(1);
    await (await gateway.nextPoll()).welcome({ epoch: 4 });
    expect(await live.closed).toBe(1000);
  });

  test('a change that fails keeps the session and is tried again; told back meanwhile, it is dropped', async () => {
    const { gateway, agent } = await start({ refusePoll: () => ({ status: 502 }) });
    const session = await gateway.nextLive();
    await session.welcome({ heartbeatMs: 5 * MINUTE });
    await agent.logged(/session ready/);
    session.tell({ mode: 'poll' });
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 502/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 502/, 2);
    session.tell({ mode: 'live' });
    await agent.logged(/told which channel to use/, 2);
    await agent.clock.advanceAsync(2 * MINUTE);
    expect([gateway.opens, session.isOpen, agent.keeper.mode]).toEqual([2, true, 'live']);
  });

  test('a move that was asked for goes to the channel that is to be used by then', async () => {
    const { gateway, agent, session } = await held('live', { random: () => 0.5 });
    session.reconnect({ afterMs: 1_000 });
    session.tell({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(1_000);
    await (await gateway.nextPoll()).welcome({ epoch: 2 });
    expect(await session.closed).toBe(1000);
  });

  test('a renewal over Poll stays on Poll', async () => {
    const { gateway, agent, session } = await held('poll');
    agent.keeper.renew();
    await agent.clock.advanceAsync(0);
    expect(await (await gateway.nextPoll()).welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await session.closed).toBe(1000);
  });

  test('a stop in the middle of a change ends both', async () => {
    const { gateway, agent, session } = await held('live');
    session.tell({ mode: 'poll' });
    await agent.logged(/told which channel to use/);
    await agent.clock.advanceAsync(0);
    const poll = await gateway.nextPoll();
    await poll.hello();
    await agent.keeper.stop();
    expect([await session.closed, await poll.closed]).toEqual([1000, 1000]);
    expect(agent.clock.pendingTimers).toBe(0);
  });

  test('what was told counts from the first attempt after a restart', async () => {
    const wanted = told();
    const { gateway, agent, session } = await held('poll', { wanted });
    await agent.keeper.stop();
    expect(await session.closed).toBe(1000);
    const again = await startKeeper([gateway.origin], { wanted, random: () => 0 });
    await (await gateway.nextPoll()).welcome();
    await again.logged(/session ready/);
    expect(gateway.upgrades).toBe(1);
  });

  test('pinned to Live, MODE changes nothing', async () => {
    const gateway = await startGateway();
    const agent = await startKeeper([gateway.origin], { wanted: 'live', random: () => 0 });
    const session = await gateway.nextLive();
    await session.welcome({ mode: said('poll') });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(MINUTE);
    expect([gateway.opens, session.isOpen]).toEqual([0, true]);
  });
});

describe('Live that cannot be had', () => {
  test.each<[string, FakeGatewayOptions]>([
    ['a load balancer answers', { refuse: () => ({ status: 502 }) }],
    ['a proxy forbids it', { refuse: () => ({ status: 403, body: 'no' }) }],
    ['a proxy takes the upgrade away', { refuse: () => ({ status: 426, body: { code: 'upgrade_required' } }) }],
    ['something wants a password', { refuse: () => ({ status: 401 }) }],
  ])('%s: it polls after the third time, and says for how long and why', async (_name, options) => {
    const { gateway, agent } = await start(options, { random: () => 0.5 });
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
    const { gateway, agent } = await start();
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
    const { gateway, agent } = await start();
    for (let times = 1; times <= 3; times += 1) {
      const session = await gateway.nextLive();
      await session.welcome({ epoch: times });
      await agent.logged(/session ready/, times);
      session.socket.pause();
      await agent.clock.advanceAsync(65 * SECOND);
      await agent.logged(/no session: gateway_silent/, times);
      await agent.clock.advanceAsync(0);
    }
    const { away } = await (await gateway.nextPoll()).welcome();
    expect(away).toMatchObject({ failures: 3, why: 'nothing was heard after 65 s' });
  });

  test('it is tried beside the poll session, which ends when Live is ready and not before', async () => {
    let isBroken = true;
    const { gateway, agent } = await start(
      { refuse: () => (isBroken ? { status: 502 } : undefined) },
      { random: () => 0.5 },
    );
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(2 * SECOND);
    }
    const poll = await gateway.nextPoll();
    await poll.welcome({ epoch: 5, mode: said('live') });
    await agent.logged(/session ready/);
    expect(gateway.upgrades).toBe(3);
    // Drawn at the third failure, two seconds ago: half of 30 s.
    await agent.clock.advanceAsync(13 * SECOND - 1);
    expect(gateway.upgrades).toBe(3);
    await agent.clock.advanceAsync(1);
    await agent.logged(/live cannot be had yet/);
    expect([gateway.upgrades, poll.isOpen, agent.keeper.state]).toEqual([4, true, 'held']);
    isBroken = false;
    await agent.clock.advanceAsync(30 * SECOND);
    const live = await gateway.nextLive();
    const { away, replaces } = await live.hello();
    expect([replaces, away?.failures]).toEqual([5, 4]);
    expect([poll.isOpen, agent.keeper.mode]).toEqual([true, 'poll']);
    live.sayWelcome({ epoch: 6 });
    expect(await poll.closed).toBe(1000);
    await agent.clock.advanceAsync(31 * SECOND);
    live.reconnect();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const { away: none } = await (await gateway.nextLive()).welcome({ epoch: 7 });
    expect(none).toBeUndefined();
  });

  test('Live that comes back only to be cut is left for Poll again at once', async () => {
    let isBroken = true;
    const { gateway, agent } = await start({ refuse: () => (isBroken ? { status: 502 } : undefined) });
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

  test('when Poll fails too, attempts take turns under one backoff', async () => {
    const refuse = (): { status: number } => ({ status: 502 });
    const { gateway, agent } = await start({ refuse, refusePoll: refuse }, { random: () => 0.999_999 });
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
    const { gateway, agent } = await start({ refuse: () => ({ status: 503, body: { code: 'gateway_full' } }) });
    for (let times = 1; times <= 6; times += 1) {
      await agent.logged(/connect refused: 503/, times);
      await agent.clock.advanceAsync(0);
    }
    expect(gateway.opens).toBe(0);
  });

  test('a move that the gateway asks for while Live is missed stays on Poll', async () => {
    const { gateway, agent } = await start({ refuse: () => ({ status: 502 }) }, { random: () => 0.5 });
    for (let times = 1; times <= 3; times += 1) {
      await agent.logged(/no session/, times);
      await agent.clock.advanceAsync(2 * SECOND);
    }
    const poll = await gateway.nextPoll();
    await poll.welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    poll.reconnect();
    agent.works[0]!.connection.send(FRAME.report, 0, new Uint8Array());
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const next = await gateway.nextPoll();
    expect(await next.welcome({ epoch: 2 })).toMatchObject({ replaces: 1, away: { failures: 3 } });
    expect(await poll.closed).toBe(1000);
  });

  test('a poll session that is lost while it is tried waits for neither longer than that', async () => {
    let hold = false;
    const { gateway, agent } = await start({ refuse: () => (hold ? undefined : { status: 502 }) });
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
    agent.works[0]!.connection.send(FRAME.report, 0, new Uint8Array());
    await agent.logged(/session ended/);
    expect(agent.keeper.state).toBe('connecting');
    await agent.clock.advanceAsync(15 * SECOND);
    await agent.logged(/no session: no_session_in_time/);
    await agent.clock.advanceAsync(0);
    await (await gateway.nextPoll()).welcome();
    await agent.logged(/session ready/, 2);
  });
});
