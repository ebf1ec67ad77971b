import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { AGENT, settled } from '../../testing/command-endpoint.js';
import { clock, endpoint, issuer, keyOf, one, recorded } from '../../testing/command-fixture.js';

const DAY_MS = 24 * 3_600_000;

describe('a command', () => {
  test('is recorded before it runs; its outcome is recorded before it is reported, and reported until it is confirmed', async () => {
    let seenByAction: string[] = [];
    const agent = endpoint({
      act: () => {
        seenByAction = recorded();
        return Promise.resolve({ state: 'succeeded', code: 'ok', message: 'flushed', effects: ['flushed 3'] });
      },
    });
    const body = one();
    await agent.deliver(body);
    expect(seenByAction).toEqual(['started']);
    expect(recorded()).toEqual(['started', 'outcome succeeded']);
    expect(agent.reports.at(-1)).toEqual({
      ...keyOf(body),
      state: 'succeeded',
      code: 'ok',
      message: 'flushed',
      effects: ['flushed 3'],
      authentic: true,
    });
    expect(agent.newReports()).toEqual(['succeeded/ok']);
    clock.advance(1_000);
    clock.advance(2_000);
    clock.advance(4_000);
    expect(agent.newReports()).toEqual(['succeeded/ok', 'succeeded/ok', 'succeeded/ok']);
    for (let i = 0; i < 10; i += 1) clock.advance(30_000);
    expect(agent.newReports().length).toBeGreaterThanOrEqual(10);
    agent.runner.onReportKept(keyOf(body));
    clock.advance(120_000);
    expect(agent.newReports()).toEqual([]);
    expect(recorded().at(-1)).toBe('kept');
    expect(clock.pendingTimers).toBe(0);
  });

  test('runs once however often it is delivered, and each repeat is answered with its state', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body, body);
    await agent.deliver(body);
    expect(agent.calls).toHaveLength(1);
    expect(agent.newReports()).toEqual(['running', 'running', 'running']);
    agent.calls[0]!.end({ state: 'failed', code: 'no_tool', message: 'there is no ip' });
    await settled();
    agent.runner.onReportKept(keyOf(body));
    await agent.deliver(body);
    expect(agent.calls).toHaveLength(1);
    expect(agent.newReports()).toEqual(['failed/no_tool', 'failed/no_tool']);
  });

  test('is answered with its outcome after a restart, after its expiry, and after its key was retired', async () => {
    const first = endpoint({ act: () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' }) });
    const early = { ...one({ retired: true }), keys: issuer.keyList(1) };
    const body = one();
    await first.deliver(early, body);
    first.runner.onReportKept(keyOf(body));
    expect(first.newReports()).toEqual(['accepted', 'succeeded/ok', 'succeeded/ok']);
    await first.runner.stop();
    const second = endpoint();
    expect(second.newReports()).toEqual(['succeeded/ok']);
    clock.advance(2 * 3_600_000);
    await second.deliver(body, { ...early, keys: issuer.keyList(2) });
    expect(second.calls).toEqual([]);
    expect(new Set(second.newReports())).toEqual(new Set(['succeeded/ok']));
  });

  test('that ran when the agent died has failed with code interrupted, and never runs again', async () => {
    const first = endpoint();
    const body = one();
    await first.deliver(body);
    expect(first.calls).toHaveLength(1);
    // No stop: the process is gone.
    const second = endpoint();
    expect(second.newReports()).toEqual(['failed/interrupted']);
    expect(recorded()).toEqual(['started', 'outcome failed']);
    await second.deliver(body);
    expect(second.calls).toEqual([]);
    expect(second.newReports()).toEqual(['failed/interrupted']);
  });

  test('that was waiting is forgotten by a crash, and runs when it is delivered again', async () => {
    const first = endpoint();
    const [running, waiting] = [one(), one()];
    await first.deliver(running, waiting);
    expect(first.newReports()).toEqual(['accepted', 'running']);
    const second = endpoint();
    await second.deliver(waiting);
    expect(second.calls).toHaveLength(1);
    expect(second.calls[0]!.call.id).toBe(waiting.id);
  });

  test('is not reported before its outcome can be recorded', async () => {
    let isFull = false;
    const agent = endpoint();
    const ended = agent.history.ended.bind(agent.history);
    agent.history.ended = (...args): void => {
      if (isFull) throw new Error('ENOSPC');
      ended(...args);
    };
    const body = one();
    await agent.deliver(body);
    isFull = true;
    agent.calls[0]!.end();
    await settled();
    await agent.deliver(body);
    await clock.advanceAsync(20_000);
    expect(new Set(agent.newReports())).toEqual(new Set(['running']));
    isFull = false;
    await clock.advanceAsync(5_000);
    expect(agent.newReports()[0]).toBe('succeeded/ok');
    expect(recorded()).toEqual(['started', 'outcome succeeded']);
    expect(agent.calls).toHaveLength(1);
  });

  test('does not run again if it was forgotten, and both clocks are set back', async () => {
    const first = endpoint({ act: () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' }) });
    const body = one();
    await first.deliver(body);
    first.runner.onReportKept(keyOf(body));
    await first.runner.stop();
    expect(endpoint({ clock: new FakeClock(clock.now() + 30 * DAY_MS) }).history.size).toBe(0);
    const back = endpoint();
    await back.deliver(body);
    expect(back.calls).toEqual([]);
    expect(back.newReports()).toEqual(['expired/expired']);
  });

  test('is taken after the clock was a year ahead for a while, and what ran before is not run again', async () => {
    const first = endpoint({ act: () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' }) });
    const body = one({ claims: { exp: clock.now() / 1_000 + 7 * 24 * 3_600 } });
    await first.deliver(body);
    first.runner.onReportKept(keyOf(body));
    const ahead = endpoint({ clock: new FakeClock(clock.now() + 365 * DAY_MS), serverTimeMs: clock.now() });
    await ahead.deliver(one());
    expect(ahead.newReports()).toEqual(['expired/expired']);
    const back = endpoint();
    back.newReports();
    await back.deliver(body);
    expect(back.newReports()).toEqual(['succeeded/ok']);
    await back.deliver(one());
    expect(back.newReports()).toEqual(['running']);
  });

  test('is reported over the next session when this one ends', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body);
    agent.runner.detach();
    agent.calls[0]!.end();
    await settled();
    clock.advance(60_000);
    expect(agent.newReports()).toEqual(['running']);
    agent.runner.attach(agent.send);
    expect(agent.newReports()).toEqual(['succeeded/ok']);
  });

  test('two targets of one command are two commands', async () => {
    const agent = endpoint();
    await agent.deliver(...issuer.issue({ targets: [AGENT, AGENT] }));
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls.map(({ call }) => call.number)).toEqual([1, 2]);
  });
});

test('onAllKept is called when no outcome waits for its confirmation any more', async () => {
  let times = 0;
  const agent = endpoint({ onAllKept: () => (times += 1) });
  const [a, b] = [one(), one({ claims: { action: 'host.release' } })];
  await agent.deliver(a, b);
  for (const { end } of agent.calls) end();
  await settled();
  agent.runner.onReportKept(keyOf(a));
  expect(times).toBe(0);
  agent.runner.onReportKept(keyOf(b));
  agent.runner.onReportKept(keyOf(b));
  expect(times).toBe(1);
});
