import { describe, expect, test } from '@jest/globals';
import {
  type ManagerSetup,
  modeBody,
  startGateway,
  startManager,
  startAssigned,
  assignedMode,
} from '../testing/connection-fixture.js';

const MINUTE = 60_000;

/** A ready session of an agent with this assigned mode. */
async function active(mode: 'live' | 'poll', setup?: ManagerSetup) {
  const { gateway, agent } = await startAssigned({}, setup);
  const first = await gateway.nextLive();
  await first.welcome({ epoch: 1, ...(mode === 'poll' && { mode: modeBody('poll') }) });
  await agent.logged(/session ready/);
  if (mode === 'live') return { gateway, agent, session: first };
  await agent.clock.advanceAsync(0);
  const session = await gateway.nextPoll();
  await session.welcome({ epoch: 2, mode: modeBody('poll') });
  await agent.logged(/session ready/, 2);
  expect(await first.closed).toBe(1000);
  return { gateway, agent, session };
}

describe('a mode that a gateway assigns', () => {
  test('by WELCOME: the session over the other transport is ready before the first is closed, and names what it replaces', async () => {
    const { agent, session } = await active('poll');
    expect(agent.manager.mode).toBe('poll');
    expect(agent.sessions.map(({ mode, ended }) => [mode, ended])).toEqual([
      ['live', true],
      ['poll', false],
    ]);
    expect(session.isOpen).toBe(true);
    expect(agent.logLines.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('by WELCOME again and again, because gateways disagree: the first change is at once, the others wait longer and longer', async () => {
    const { gateway, agent } = await startAssigned({}, { random: () => 0.5 });
    await (await gateway.nextLive()).welcome({ epoch: 1, heartbeatMs: 5 * MINUTE, mode: modeBody('poll') });
    await agent.logged(/session ready/);
    for (const [changes, delayMs] of [0, 500, 1_000, 2_000, 4_000].entries()) {
      await agent.clock.advanceAsync(Math.max(0, delayMs - 1));
      expect(agent.manager.state).toBe(delayMs === 0 ? 'moving' : 'active');
      await agent.clock.advanceAsync(delayMs === 0 ? 0 : 1);
      const isPoll = changes % 2 === 0;
      const next = isPoll ? await gateway.nextPoll() : await gateway.nextLive();
      const mode = modeBody(isPoll ? 'live' : 'poll');
      await next.welcome({ epoch: changes + 2, heartbeatMs: 5 * MINUTE, mode });
      await agent.logged(/session ready/, changes + 2);
    }
  });

  test('by WELCOME once more, long after: at once', async () => {
    const { gateway, agent } = await startAssigned({}, { random: () => 0.5 });
    await (await gateway.nextLive()).welcome({ epoch: 1, mode: modeBody('poll') });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(0);
    await (await gateway.nextPoll()).welcome({ epoch: 2, mode: modeBody('poll', { intervalMs: 60 * MINUTE }) });
    await agent.logged(/session ready/, 2);
    await agent.clock.advanceAsync(5 * MINUTE);
    agent.manager.renew();
    await agent.clock.advanceAsync(0);
    await (await gateway.nextPoll()).welcome({ epoch: 3, mode: modeBody('live') });
    await agent.logged(/session ready/, 3);
    await agent.clock.advanceAsync(0);
    expect(agent.manager.state).toBe('moving');
  });

  test('by MODE, to Poll: after a random part of the spread; the session stays active until then', async () => {
    const { gateway, agent, session } = await active('live', { random: () => 0.5 });
    session.assignMode({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(4_999);
    expect(gateway.opens).toBe(0);
    await agent.clock.advanceAsync(1);
    const next = await gateway.nextPoll();
    expect(await next.hello()).toMatchObject({ replaces: 1 });
    expect([agent.manager.mode, agent.manager.state, agent.sessions[0]!.ended]).toEqual(['live', 'moving', false]);
    next.sendWelcome({ epoch: 2 });
    expect(await session.closed).toBe(1000);
    expect(agent.manager.mode).toBe('poll');
  });

  test('by MODE, to Live: at the next poll, at once', async () => {
    const { gateway, agent, session } = await active('poll');
    session.assignMode({ mode: 'live' });
    await agent.fetch();
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    const next = await gateway.nextLive();
    expect(await next.welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await session.closed).toBe(1000);
    expect(agent.manager.mode).toBe('live');
  });

  test('assigned back before the change, the session stays', async () => {
    const { gateway, agent, session } = await active('live', { random: () => 0.5 });
    session.assignMode({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/mode assigned/);
    session.assignMode({ mode: 'live', spreadMs: 10_000 });
    await agent.logged(/mode assigned/, 2);
    await agent.clock.advanceAsync(20_000);
    expect([gateway.opens, session.isOpen, agent.manager.state]).toEqual([0, true, 'active']);
  });

  test('assigned back during the change, the session changes back after it', async () => {
    const { gateway, agent, session } = await active('live');
    session.assignMode({ mode: 'poll' });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    const poll = await gateway.nextPoll();
    await poll.hello();
    session.assignMode({ mode: 'live' });
    await agent.logged(/mode assigned/, 2);
    poll.sendWelcome({ epoch: 2 });
    await agent.logged(/session ready/, 2);
    await agent.clock.advanceAsync(0);
    expect(await (await gateway.nextLive()).welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await poll.closed).toBe(1000);
    expect(agent.manager.mode).toBe('live');
  });

  test('two assignments in a row: the later one applies', async () => {
    const { agent, session } = await active('poll');
    session.assignMode({ mode: 'poll', intervalMs: 5_000 });
    session.assignMode({ mode: 'poll', intervalMs: 10_000 });
    await agent.fetch();
    await agent.logged(/mode assigned/, 2);
    const before = session.mode === 'poll' ? session.requests.length : 0;
    await agent.clock.advanceAsync(9_999);
    expect(session.mode === 'poll' && session.requests.length).toBe(before);
    await agent.clock.advanceAsync(1);
    if (session.mode === 'poll') await session.polled(before + 1);
  });

  test('a lease ends by itself, without a frame from the gateway', async () => {
    const { gateway, agent, session } = await active('poll');
    session.assignMode({ mode: 'live', lease: { forMs: 2 * MINUTE, next: { mode: 'poll', intervalMs: MINUTE } } });
    await agent.fetch();
    await agent.logged(/mode assigned/);
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

  test('a change that fails keeps the session and is tried again; assigned back meanwhile, it is dropped', async () => {
    const { gateway, agent } = await startAssigned({ refusePoll: () => ({ status: 502 }) });
    const session = await gateway.nextLive();
    await session.welcome({ heartbeatMs: 5 * MINUTE });
    await agent.logged(/session ready/);
    session.assignMode({ mode: 'poll' });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 502/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 502/, 2);
    session.assignMode({ mode: 'live' });
    await agent.logged(/mode assigned/, 2);
    await agent.clock.advanceAsync(2 * MINUTE);
    expect([gateway.opens, session.isOpen, agent.manager.mode]).toEqual([2, true, 'live']);
  });

  test('a change that fails is tried again with backoff', async () => {
    const { gateway, agent } = await startAssigned({ refusePoll: () => ({ status: 502 }) }, { random: () => 0.5 });
    const session = await gateway.nextLive();
    await session.welcome({ heartbeatMs: 5 * MINUTE });
    await agent.logged(/session ready/);
    session.assignMode({ mode: 'poll' });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    for (const [times, delayMs] of [500, 1_000, 2_000, 4_000].entries()) {
      await agent.logged(/connect refused: 502/, times + 1);
      await agent.clock.advanceAsync(delayMs - 1);
      expect([gateway.opens, agent.manager.state]).toEqual([times + 1, 'active']);
      await agent.clock.advanceAsync(1);
    }
    await agent.logged(/connect refused: 502/, 5);
    expect(session.isOpen).toBe(true);
  });

  test('a move by RECONNECT uses the mode that is assigned by then', async () => {
    const { gateway, agent, session } = await active('live', { random: () => 0.5 });
    session.reconnect({ afterMs: 1_000 });
    session.assignMode({ mode: 'poll', spreadMs: 10_000 });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(1_000);
    await (await gateway.nextPoll()).welcome({ epoch: 2 });
    expect(await session.closed).toBe(1000);
  });

  test('a renewal over Poll stays on Poll', async () => {
    const { gateway, agent, session } = await active('poll');
    agent.manager.renew();
    await agent.clock.advanceAsync(0);
    expect(await (await gateway.nextPoll()).welcome({ epoch: 3 })).toMatchObject({ replaces: 2 });
    expect(await session.closed).toBe(1000);
  });

  test('a stop in the middle of a change ends both', async () => {
    const { gateway, agent, session } = await active('live');
    session.assignMode({ mode: 'poll' });
    await agent.logged(/mode assigned/);
    await agent.clock.advanceAsync(0);
    const poll = await gateway.nextPoll();
    await poll.hello();
    await agent.manager.stop();
    expect([await session.closed, await poll.closed]).toEqual([1000, 1000]);
    expect(agent.clock.pendingTimers).toBe(0);
  });

  test('the assignment applies from the first attempt after a restart', async () => {
    const desired = assignedMode();
    const { gateway, agent, session } = await active('poll', { desired });
    await agent.manager.stop();
    expect(await session.closed).toBe(1000);
    const again = await startManager([gateway.origin], { desired, random: () => 0 });
    await (await gateway.nextPoll()).welcome();
    await again.logged(/session ready/);
    expect(gateway.upgrades).toBe(1);
  });

  test('pinned to Live, MODE changes nothing', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin], { desired: 'live', random: () => 0 });
    const session = await gateway.nextLive();
    await session.welcome({ mode: modeBody('poll'), heartbeatMs: 5 * MINUTE });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(MINUTE);
    expect([gateway.opens, session.isOpen]).toEqual([0, true]);
  });
});
