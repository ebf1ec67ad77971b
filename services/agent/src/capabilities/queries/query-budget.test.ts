import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { decodeBody, decodeRows, FRAME } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { BUDGET, createAgent, FOREVER } from '../../testing/query-fixture.js';

const low = (ms: number) => ({ budget: { ...BUDGET, ms, priority: 'low' as const }, warnings: true });
const rowsThenForever = (rows: number): string =>
  `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x <= ${rows}`;
/** As that with one row, after it has read a file. */
const READS_THEN_FOREVER =
  'WITH RECURSIVE c(x) AS (SELECT n FROM reads UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x <= 1';
const progressOf = ({ body }: { readonly body: Uint8Array }) => {
  const decoded = decodeBody('progress', body);
  if (!decoded.ok) throw new Error(decoded.fault);
  return decoded.body;
};
/** In ticks (proc_pid_stat(5), fields 14 and 15). */
const ticksOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
/** A process that computes takes about thirty of them in this time, also where it shares its processor with another one. */
const LOOK_MS = 600;
/** Whether it computes: the share of a look in which it did. */
const computes = async (pid: number): Promise<boolean> => {
  const before = ticksOf(pid);
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  return ticksOf(pid) - before > 3;
};
const saidBy =
  ({ sent }: ReturnType<typeof createAgent>) =>
  (ref: number) =>
    sent.filter((one) => one.ref === ref && one.type === FRAME.progress);

describe('a query with a budget of its own, at low priority', () => {
  test('what it has found when its time is over is its answer, with a warning that it was not finished', async () => {
    const agent = createAgent();
    agent.ask(1, rowsThenForever(3), ['x'], low(700));
    const { frames } = await agent.outcome(1);
    expect(frames?.map(({ type }) => type)).toEqual([FRAME.warnings, FRAME.rows]);
    expect(decodeRows(frames![1]!.body, 1)).toEqual([[1], [2], [3]]);
    expect(decodeBody('warnings', frames![0]!.body)).toMatchObject({
      ok: true,
      body: { warnings: [{ code: 'over_time', count: 1, message: expect.stringContaining('not finished') }] },
    });
  });

  test('one that has found nothing until then has no answer: nothing is known', async () => {
    const agent = createAgent();
    agent.ask(1, FOREVER, ['x'], low(300));
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'over_budget', code: 'over_time' });
  });

  test.each([
    ['rows', { rows: 5 }, 5],
    ['bytes', { bytes: 40 }, 20],
  ] as const)('as many %s as it may give are its answer', async (limit, bound, count) => {
    const agent = createAgent();
    agent.ask(1, rowsThenForever(1_000), ['x'], { ...low(5_000), budget: { ...low(5_000).budget, ...bound } });
    const { frames } = await agent.outcome(1);
    expect(decodeRows(frames!.at(-1)!.body, 1)).toHaveLength(count);
    expect(decodeBody('warnings', frames![0]!.body)).toMatchObject({ body: { warnings: [{ code: `over_${limit}` }] } });
  });

  test('without low priority, or a gateway that takes warnings, such an answer is none', async () => {
    const agent = createAgent();
    agent.ask(1, rowsThenForever(3), ['x'], { budget: { ...BUDGET, ms: 300 }, warnings: true });
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'over_budget', code: 'over_time' });
    agent.ask(2, rowsThenForever(3), ['x'], { ...low(300), warnings: false });
    expect(await agent.outcome(2)).toMatchObject({ outcome: 'over_budget', code: 'over_time' });
  });

  test('the bound of usual queries is not its own, and the owner of the endpoint bounds it too', async () => {
    const agent = createAgent({ maxBudget: { ...BUDGET, ms: 100 }, maxLowMs: 900 });
    const fromMs = performance.now();
    agent.ask(1, rowsThenForever(1), ['x'], low(60_000));
    expect((await agent.outcome(1)).frames).toHaveLength(2);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(800);
  });

  test('it ends before nobody waits for it any more', async () => {
    const agent = createAgent();
    agent.ask(1, rowsThenForever(1), ['x'], { ...low(60_000), remainingMs: 9_000 });
    expect((await agent.outcome(1)).frames).toHaveLength(2);
  });

  test('usual queries go on beside it, in another process; it has the lowest priority', async () => {
    const agent = createAgent({ env: {} });
    agent.ask(1, rowsThenForever(1), ['x'], low(60_000));
    agent.ask(2, 'SELECT 2 AS two', ['two']);
    expect((await agent.outcome(2)).frames).toHaveLength(1);
    // It lowers its priority as soon as its engine is loaded, of which the agent hears nothing.
    const slow = (): number | undefined => agent.workerPids().find((pid) => getPriority(pid) === 19);
    await eventually(() => slow() !== undefined);
    const worker = slow();
    agent.cancel(1);
    // Nobody gets a process whose priority is low.
    await agent.until(() => agent.poolSize() === 1);
    expect(agent.workerPids()).not.toContain(worker);
  });

  test('it stands still while others need the machine, can be cancelled then, and says how long it stood; what it read is read by the next one', async () => {
    let share = 1;
    const agent = createAgent({ env: {}, load: { othersShare: () => share, onBattery: () => false } });
    const said = saidBy(agent);
    agent.ask(1, READS_THEN_FOREVER, ['x'], { ...low(600_000), remainingMs: 600_000, progressMs: 1_000 });
    agent.ask(2, READS_THEN_FOREVER, ['x'], low(3_500));
    const [first = 0] = agent.workerPids();
    await agent.until(() => said(1).some((one) => progressOf(one).paused));
    while (await computes(first));
    agent.cancel(1);
    await agent.until(() => !agent.workerPids().includes(first));
    const { frames, ...end } = await agent.outcome(2);
    expect(end).toEqual({});
    expect(decodeBody('warnings', frames![0]!.body)).toMatchObject({
      body: { warnings: [{ message: expect.stringMatching(/stood still for [23] s/) }] },
    });
    share = 0;
  });

  test('where the gateway takes it, it says how far it is at a bounded rate, until it has its answer', async () => {
    let share = 0;
    const agent = createAgent({ env: {}, load: { othersShare: () => share, onBattery: () => false } });
    const said = saidBy(agent);
    const fromMs = performance.now();
    agent.ask(1, rowsThenForever(1), ['x'], { ...low(60_000), progressMs: 1_000 });
    // It waits for the first one, and has nothing to say.
    agent.ask(2, rowsThenForever(1), ['x'], { ...low(2_500), progressMs: 1_000 });
    await agent.until(() => said(1).length === 2);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(1_900);
    const [one, two] = said(1).map(progressOf);
    expect(one).toMatchObject({ pausedMs: 0, paused: false, looked: expect.any(Number) });
    // The process had to be made first.
    expect(one!.spentMs).toBeGreaterThanOrEqual(1_000);
    expect(two!.spentMs).toBeGreaterThan(one!.spentMs);
    share = 1;
    await agent.until(() =>
      said(1)
        .map(progressOf)
        .some(({ paused, pausedMs }) => paused && pausedMs > 0),
    );
    expect(said(2)).toEqual([]);
    share = 0;
    agent.cancel(1);
    const { frames } = await agent.outcome(2);
    const count = said(2).length;
    expect(count).toBeGreaterThanOrEqual(1);
    expect(frames!.slice(-2).map(({ type }) => type)).toEqual([FRAME.warnings, FRAME.rows]);
    // Neither after the answer, nor where the gateway does not say that it takes it.
    agent.ask(3, rowsThenForever(1), ['x'], low(1_500));
    await agent.outcome(3);
    expect([said(2).length, said(3).length]).toEqual([count, 0]);
  });

  test('over Poll it says so with a request that is made anyway, at the same rate', async () => {
    const agent = createAgent({ mode: 'poll' });
    const said = () => agent.sent.filter(({ type }) => type === FRAME.progress);
    const fromMs = performance.now();
    agent.ask(1, rowsThenForever(1), ['x'], { ...low(60_000), progressMs: 1_000 });
    const pollUntil = async (count: number): Promise<void> => {
      for (; said().length < count; await new Promise((resolve) => setTimeout(resolve, 20))) agent.handler.polling();
    };
    await pollUntil(1);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(1_000);
    expect(progressOf(said()[0]!).spentMs).toBeGreaterThanOrEqual(1_000);
    await pollUntil(2);
    const [one, two] = said().map(progressOf);
    expect(two!.spentMs - one!.spentMs).toBeGreaterThanOrEqual(999);
    // Longer than it waits between two.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(agent.sent).toHaveLength(2);
  });

  test('it goes on when they do not', async () => {
    let share = 1;
    const agent = createAgent({ env: {}, load: { othersShare: () => share, onBattery: () => false } });
    const said = saidBy(agent);
    agent.ask(2, rowsThenForever(1), ['x'], { ...low(600_000), remainingMs: 600_000, progressMs: 1_000 });
    await agent.until(() => said(2).some((one) => progressOf(one).paused));
    const [worker = 0] = agent.workerPids().slice(-1);
    while (await computes(worker));
    share = 0.1;
    while (!(await computes(worker)));
    agent.cancel(2);
  });
});
