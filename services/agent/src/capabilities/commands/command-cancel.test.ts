import { describe, expect, test } from '@jest/globals';
import { settled } from '../../testing/command-endpoint.js';
import { clock, endpoint, keyOf, one, recorded } from '../../testing/command-fixture.js';

describe('a cancel', () => {
  test('of a waiting command: it never runs', async () => {
    const agent = endpoint();
    const [running, waiting] = [one(), one()];
    await agent.deliver(running, waiting);
    agent.runner.onCancel(keyOf(waiting));
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls).toHaveLength(1);
    expect(agent.newReports()).toEqual(['accepted', 'running', 'cancelled/cancelled', 'succeeded/ok']);
  });

  test('of an unknown command: it is recorded, and the command does not run when it comes, also after a restart', async () => {
    const agent = endpoint();
    const body = one();
    agent.runner.onCancel(keyOf(body));
    expect(recorded()).toEqual(['outcome cancelled']);
    await agent.deliver(body);
    const later = endpoint();
    await later.deliver(body);
    expect([...agent.newReports(), ...later.newReports()]).toEqual(
      Array.from({ length: 4 }, () => 'cancelled/cancelled'),
    );
    expect([...agent.calls, ...later.calls]).toEqual([]);
  });

  test.each([
    ['it stops', { state: 'cancelled', code: 'cancelled' }, 'cancelled/cancelled'],
    ['it was done already', { state: 'succeeded', code: 'ok' }, 'succeeded/ok'],
  ] as const)(
    'of a running command: the action is told to stop, and the report says what happened (%s)',
    async (_what, result, newReports) => {
      const agent = endpoint();
      const body = one();
      await agent.deliver(body);
      agent.runner.onCancel(keyOf(body));
      const { call, end } = agent.calls[0]!;
      expect(call.signal.aborted).toBe(true);
      expect((call.signal.reason as Error).name).toBe('AbortError');
      end(result);
      await settled();
      expect(agent.newReports()).toEqual(['running', newReports]);
    },
  );

  test('of a command that has ended changes nothing', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body);
    agent.calls[0]!.end();
    await settled();
    agent.runner.onCancel(keyOf(body));
    expect(agent.newReports()).toEqual(['running', 'succeeded/ok', 'succeeded/ok']);
    expect(recorded()).toEqual(['started', 'outcome succeeded']);
  });
});

describe('queues and deadlines', () => {
  test('an action that hangs blocks only its own queue, until its timeout and the grace period are over', async () => {
    const agent = endpoint();
    const flush = { timeoutMs: 10_000 };
    const [stuck, next, other] = [
      one({ claims: flush }),
      one({ claims: flush }),
      one({ claims: { action: 'host.release', params: {} } }),
    ];
    await agent.deliver(stuck, next, other);
    expect(agent.calls.map(({ call }) => call.id)).toEqual([stuck.id, other.id]);
    await clock.advanceAsync(10_000);
    expect((agent.calls[0]!.call.signal.reason as Error).name).toBe('TimeoutError');
    await clock.advanceAsync(5_000);
    expect(agent.reports.find(({ id, state }) => id === stuck.id && state !== 'running')).toMatchObject({
      state: 'timed_out',
      code: 'stuck',
    });
    expect(agent.calls.map(({ call }) => call.id)).toEqual([stuck.id, other.id, next.id]);
    // What it does after it was given up is nobody's outcome.
    agent.calls[0]!.end();
    await settled();
    expect(agent.history.get(keyOf(stuck))?.outcome?.state).toBe('timed_out');
  });

  test('an action that ends within the grace period reports its own result', async () => {
    const agent = endpoint();
    await agent.deliver(one({ claims: { timeoutMs: 1_000 } }));
    await clock.advanceAsync(1_000);
    agent.calls[0]!.end({ state: 'timed_out', code: 'timed_out', effects: ['removed half of it'] });
    await settled();
    expect(agent.reports.at(-1)).toMatchObject({ state: 'timed_out', effects: ['removed half of it'] });
  });

  test('a command that expires while it waits does not run', async () => {
    const agent = endpoint();
    const waiting = one({ claims: { exp: clock.now() / 1_000 + 5 } });
    await agent.deliver(one({ claims: { timeoutMs: 30_000 } }), waiting);
    await clock.advanceAsync(6_000);
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls).toHaveLength(1);
    expect(agent.history.get(keyOf(waiting))?.outcome).toMatchObject({ state: 'expired', code: 'expired' });
  });

  test('an exception is an outcome, and the queue goes on', async () => {
    const agent = endpoint({ act: () => Promise.reject(new Error('boom')) });
    await agent.deliver(one());
    await agent.deliver(one());
    expect(agent.newReports()).toEqual(['failed/internal', 'failed/internal']);
  });

  test('a stop tells running actions to end, starts nothing new, and records the outcomes', async () => {
    const agent = endpoint();
    const [running, waiting] = [one(), one()];
    await agent.deliver(running, waiting);
    const stopped = agent.runner.stop();
    agent.calls[0]!.end({ state: 'cancelled', code: 'cancelled' });
    await stopped;
    expect(agent.calls).toHaveLength(1);
    expect(recorded()).toEqual(['started', 'outcome cancelled']);
    expect(agent.history.get(keyOf(running))?.outcome?.code).toBe('agent_stopped');
  });
});
