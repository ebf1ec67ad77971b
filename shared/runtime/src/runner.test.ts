import { describe, expect, test } from '@jest/globals';
import { FakeClock } from './testing/fake-clock.js';
import { silentLogger } from './logger.js';
import type { Component } from './component.js';
import { Runner, type RunnerOptions } from './runner.js';

function setUp(options: Partial<RunnerOptions> = {}) {
  const events: string[] = [];
  const clock = new FakeClock();
  const runner = new Runner({ logger: silentLogger, clock, ...options });
  const component = (name: string, extra: Component = {}): Component => ({
    start: () => void events.push(`start ${name}`),
    drain: () => void events.push(`drain ${name} ${runner.state}`),
    stop: () => void events.push(`stop ${name}`),
    ...extra,
  });
  return { events, clock, runner, component };
}

/** Waits for readiness without sleeping: it is reached within a few turns of promises. */
async function untilReady(runner: Runner): Promise<void> {
  for (let turns = 0; turns < 50 && !runner.ready; turns += 1) await turn();
  expect(runner.state).toBe('ready');
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const never = (): Promise<void> => new Promise(() => {});

describe('runner', () => {
  test('components start in order; the stop flips readiness, drains, then stops in reverse order', async () => {
    const { events, runner, component } = setUp();
    runner.defer('bus', () => void events.push('stop bus'));
    runner.go('hub', component('hub'));
    runner.go('listener', component('listener'));
    const run = runner.wait();
    await untilReady(runner);
    const stop = runner.stop('SIGTERM');
    // In the same turn, before anything was awaited.
    expect([runner.ready, runner.state, runner.stopSignal.aborted]).toEqual([false, 'draining', true]);
    expect(await run).toEqual({ reason: 'SIGTERM', unclean: [] });
    expect(await stop).toEqual({ reason: 'SIGTERM', unclean: [] });
    expect(events).toEqual([
      'start hub',
      'start listener',
      'drain listener draining',
      'drain hub draining',
      'stop listener',
      'stop hub',
      'stop bus',
    ]);
    expect(runner.state).toBe('stopped');
  });

  test('a stop happens once, however often it is asked for', async () => {
    const { events, runner, component } = setUp();
    runner.go('a', component('a'));
    const run = runner.wait();
    await untilReady(runner);
    await Promise.all([runner.stop('first'), runner.stop('second'), run]);
    expect(await runner.stop('third')).toEqual({ reason: 'first', unclean: [] });
    expect(events.filter((event) => event === 'stop a')).toHaveLength(1);
  });

  test('a start that fails stops what has started and rejects with the cause', async () => {
    const { events, runner, component } = setUp();
    const cause = new Error('port taken');
    runner.go('a', component('a'));
    runner.go('b', component('b', { start: () => Promise.reject(cause) }));
    runner.go('c', component('c'));
    await expect(runner.wait()).rejects.toMatchObject({ message: 'b did not start: port taken', cause });
    expect(events).toEqual(['start a', 'stop a']);
  });

  test('a component can be started early, for others to be made from it', async () => {
    const { events, runner, component } = setUp();
    runner.go('bus', component('bus'));
    await runner.start();
    expect([events, runner.ready]).toEqual([['start bus'], false]);
    runner.go('hub', component('hub'));
    void runner.stop('changed our mind');
    expect((await runner.wait()).reason).toBe('changed our mind');
    expect(events).toEqual(['start bus', 'stop bus']);
  });

  test('an early start that fails stops what has started before it rejects', async () => {
    const { events, runner, component } = setUp();
    runner.go('bus', component('bus'));
    runner.go('bad', component('bad', { start: () => Promise.reject(new Error('refused')) }));
    await expect(runner.start()).rejects.toThrow('bad did not start: refused');
    expect([events, runner.state]).toEqual([['start bus', 'stop bus'], 'stopped']);
  });

  test('a component that hangs in its stop is left behind after its bound, and named', async () => {
    const { events, clock, runner, component } = setUp({ componentTimeoutMs: 1_000 });
    let told = false;
    const stop = (signal: AbortSignal): Promise<void> => {
      signal.addEventListener('abort', () => (told = true));
      return never();
    };
    runner.go('a', component('a'));
    runner.go('hung', component('hung', { stop }));
    const run = runner.wait();
    await untilReady(runner);
    void runner.stop();
    await clock.advanceAsync(1_000);
    expect(await run).toEqual({ reason: 'requested', unclean: ['hung'] });
    expect([told, events.at(-1), clock.pendingTimers]).toEqual([true, 'stop a', 0]);
  });

  test('the whole stop is bounded though every component hangs, and each is still told to stop', async () => {
    const { clock, runner } = setUp({ stopTimeoutMs: 5_000, drainTimeoutMs: 2_000, componentTimeoutMs: 1_500 });
    const stopped: string[] = [];
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) {
      const stop = (): Promise<void> => {
        stopped.push(name);
        return never();
      };
      runner.go(name, { drain: never, stop });
    }
    const run = runner.wait();
    await untilReady(runner);
    const startedMs = clock.now();
    let tookMs: number | undefined;
    void runner.stop().then(() => (tookMs = clock.now() - startedMs));
    await clock.advanceAsync(5_000);
    expect((await run).unclean.toSorted()).toEqual(names);
    expect([tookMs, stopped]).toEqual([5_000, names.toReversed()]);
  });

  test('a stop that throws does not keep the others from stopping', async () => {
    const { events, runner, component } = setUp();
    runner.go('a', component('a'));
    runner.go('bad', component('bad', { stop: () => Promise.reject(new Error('x')) }));
    const run = runner.wait();
    await untilReady(runner);
    void runner.stop();
    expect((await run).unclean).toEqual(['bad']);
    expect(events.at(-1)).toBe('stop a');
  });

  test('a stop while a start is under way lets it finish, then stops it, and starts nothing more', async () => {
    const { events, runner, component } = setUp();
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    runner.go('slow', component('slow', { start: () => gate.then(() => void events.push('start slow')) }));
    runner.go('next', component('next'));
    const run = runner.wait();
    await turn();
    void runner.stop();
    open();
    expect((await run).unclean).toEqual([]);
    expect(events).toEqual(['start slow', 'stop slow']);
  });

  test('a start that hangs does not hold up the stop', async () => {
    const { events, clock, runner, component } = setUp({ componentTimeoutMs: 1_000 });
    runner.go('hung', component('hung', { start: never }));
    const run = runner.wait();
    await turn();
    void runner.stop('SIGTERM');
    await clock.advanceAsync(1_000);
    expect((await run).reason).toBe('SIGTERM');
    expect(events).toEqual(['stop hung']);
  });

  test('a component that cannot go on ends the run, and the outcome carries why', async () => {
    const { events, runner, component } = setUp();
    runner.go('a', component('a'));
    const run = runner.wait();
    await untilReady(runner);
    const failure = new Error('fenced');
    runner.fail('lease', failure);
    runner.fail('lease', new Error('again'));
    expect(await run).toEqual({ reason: 'lease failed', failure, unclean: [] });
    expect(events.at(-1)).toBe('stop a');
  });

  test('the time between unready and drain is kept', async () => {
    const { events, clock, runner, component } = setUp({ unreadyWaitMs: 3_000 });
    runner.go('a', component('a'));
    const run = runner.wait();
    await untilReady(runner);
    void runner.stop();
    await clock.advanceAsync(2_999);
    expect(events).toEqual(['start a']);
    await clock.advanceAsync(1);
    await run;
    expect(events).toEqual(['start a', 'drain a draining', 'stop a']);
  });

  test('ports of all components are told once everything runs', async () => {
    const told: unknown[] = [];
    const { runner, component } = setUp({ onReady: (ports) => void told.push(ports) });
    runner.go('health', component('health', { ports: () => ({ health: 1 }) }));
    runner.go('listener', component('listener', { ports: () => ({ live: 2 }) }));
    const run = runner.wait();
    await untilReady(runner);
    expect(told).toEqual([{ health: 1, live: 2 }]);
    await Promise.all([runner.stop(), run]);
  });

  test('what is told about readiness failing fails the run and stops the components', async () => {
    const { events, runner, component } = setUp({ onReady: () => Promise.reject(new Error('disk full')) });
    runner.go('a', component('a'));
    await expect(runner.wait()).rejects.toThrow('disk full');
    expect(events.at(-1)).toBe('stop a');
  });
});
