import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeBusMessage } from '@muster/messages';
import { decodeRow, ledgerBalances } from '@muster/protocol';
import { readAnswerBlock, readGroupBlock, type ResultEvent } from '@muster/records';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

let harness: CoordinatorHarness;
beforeEach(async () => {
  harness = await new CoordinatorHarness().open();
});
afterEach(async () => {
  await harness.close();
  if (harness.clock.pendingTimers > 0) throw new Error(`${harness.clock.pendingTimers} timers were left`);
});

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const of = <T extends ResultEvent['t']>(events: ResultEvent[], kind: T) =>
  events.filter((event): event is ResultEvent & { t: T } => event.t === kind);

describe('a running query', () => {
  test('is complete as soon as everybody has answered', async () => {
    const [a, b] = [harness.gateway('gw-a', range(1, 10)), harness.gateway('gw-b', range(11, 15))];
    harness.offline = 3;
    const record = await harness.launch();
    a.answer(...range(1, 9));
    a.empty(10);
    b.answer(...range(11, 15));
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({
      ...{ state: 'complete', rows: 5, offline: 3 },
      ledger: { targeted: 15, answered: 14, empty: 1, waiting: 0 },
    });
    const groups = new Map(
      of(await harness.events(record), 'groups').flatMap(({ groups: block }) =>
        [...readGroupBlock(block)].map((group) => [decodeRow(group.row)[0], group.endpoints] as const),
      ),
    );
    expect([...groups.values()].reduce((sum, endpoints) => sum + endpoints, 0)).toBe(14);
    expect(a.stops.map((stop) => stop.reason)).toEqual(['complete']);
    expect((await harness.records.get(record.org, record.id))?.record).toMatchObject({ state: 'complete' });
    expect(harness.coordinator.size).toBe(0);
  });

  test('passes raw answers on with their endpoint', async () => {
    const gateway = harness.gateway('gw-a', range(1, 4));
    const record = await harness.launch({ mode: 'raw' });
    gateway.answer(1, 2);
    gateway.answer(3, 4);
    await harness.settle();
    const rows = of(await harness.events(record), 'rows').flatMap(({ answers }) => [...readAnswerBlock(answers)]);
    expect(rows.map(({ num, rows: bytes }) => [num, ...decodeRow(bytes)])).toEqual([
      [1, 'package-1'],
      [2, 'package-2'],
      [3, 'package-3'],
      [4, 'package-4'],
    ]);
    expect(await harness.ended(record)).toMatchObject({ rows: 4 });
  });

  test('publishes what answers lack, and its end counts the endpoints of all of it', async () => {
    const gateway = harness.gateway('gw-a', range(1, 3));
    const record = await harness.launch();
    gateway.warn([1, 'cut', 2, 'a name'], [1, 'too_slow', 1, '/huge'], [3, 'unreadable', 9, '/private']);
    gateway.answer(...range(1, 3));
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', warned: 2 });
    const told = of(await harness.events(record), 'warnings').flatMap(({ warnings }) => warnings);
    expect(told).toEqual([
      [1, 'cut', 2, 'a name'],
      [1, 'too_slow', 1, '/huge'],
      [3, 'unreadable', 9, '/private'],
    ]);
  });

  test('with nobody in scope is complete at once', async () => {
    harness.gateway('gw-a', []);
    const record = await harness.launch();
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { targeted: 0 } });
  });

  test('with no gateway at all is complete at once', async () => {
    expect(await harness.ended(await harness.launch())).toMatchObject({ state: 'complete' });
  });

  test('ends at its deadline and names who did not answer', async () => {
    const gateway = harness.gateway('gw-a', [1, 2, 3]);
    const record = await harness.launch();
    gateway.answer(1);
    for (let i = 0; i < 10; i += 1) {
      await harness.pass(1_000);
      gateway.keepAlive();
    }
    await harness.pass(499);
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    await harness.pass(2);
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { answered: 1, timed_out: 2 } });
    expect(of(await harness.events(record), 'failures').flatMap((event) => event.failures)).toEqual([
      [2, 'timed_out', 'deadline', expect.any(String)],
      [3, 'timed_out', 'deadline', expect.any(String)],
    ]);
    expect(gateway.stops.map((stop) => stop.reason)).toEqual(['deadline']);
  });

  test('shows how many polling endpoints wait and when the last is due, for as long as one waits', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [3])];
    a.polls = { nums: [2], withinMs: 6_000 };
    b.polls = { nums: [3], withinMs: 60_000 };
    const startedMs = harness.clock.now();
    const record = await harness.launch();
    const newest = async () => of(await harness.events(record), 'progress').at(-1);
    expect(await newest()).toMatchObject({
      polling: { waiting: 2, answerByMs: startedMs + 60_000 },
      ledger: { targeted: 3, waiting: 3 },
    });
    b.answer(3);
    a.answer(1);
    await harness.pass(300);
    expect(await newest()).toMatchObject({
      polling: { waiting: 1, answerByMs: startedMs + 6_000 },
      ledger: { targeted: 3, waiting: 1, answered: 2 },
    });
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    a.answer(2);
    await harness.settle();
    // Settled, so it ends without waiting until the poll was due.
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { answered: 3 } });
    expect((await newest())?.polling).toBeUndefined();
  });

  test('ends at its deadline also when polls are due after it', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    gateway.polls = { nums: [1], withinMs: 3_600_000 };
    const record = await harness.launch();
    for (let i = 0; i < 10; i += 1) {
      await harness.pass(1_000);
      gateway.keepAlive();
    }
    await harness.pass(501);
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { timed_out: 1 } });
  });

  test('gives endpoints its whole time, however long it took to begin', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    const record = harness.record({ timeoutMs: 2_000, deadlineMs: harness.clock.now() + 2_000 });
    await harness.pass(3_000);
    await harness.coordinator.launch(record);
    await harness.settle();
    const [start] = gateway.starts;
    expect((start?.deadlineMs ?? 0) - (start?.nowMs ?? 0)).toBe(2_000);
    gateway.answer(1);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ ledger: { answered: 1 } });
  });

  test('keeps the results so far when it is cancelled', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await harness.launch();
    gateway.answer(1);
    await harness.settle();
    harness.coordinator.get(record.id)?.end('cancelled');
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({
      state: 'cancelled',
      ledger: { answered: 1, timed_out: 1 },
      rows: 1,
    });
    const [failures] = of(await harness.events(record), 'failures');
    expect(failures?.failures).toEqual([[2, 'timed_out', 'cancelled', expect.any(String)]]);
    expect(gateway.stops.map((stop) => stop.reason)).toEqual(['cancelled']);
  });

  test('is interrupted when its coordinator stops', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await harness.launch();
    gateway.answer(1);
    await harness.settle();
    await harness.coordinator.stop();
    expect(await harness.ended(record)).toMatchObject({ state: 'interrupted', ledger: { answered: 1, timed_out: 1 } });
  });

  test('waits for a gateway that has not sent its first update', async () => {
    const [a, b] = [harness.gateway('gw-a', [1]), harness.gateway('gw-b', [2])];
    b.deaf = true;
    const record = await harness.launch();
    a.answer(1);
    await harness.settle();
    await expect(harness.ended(record)).rejects.toThrow('has not ended');
    // It learns of the query a moment later.
    harness.connection.bus.publish('muster.v1.beat.owner', beatOf(harness, record));
    await harness.settle();
    b.fail([2, 'error', 'sql', 'no such file']);
    await harness.settle();
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 2, answered: 1, error: 1 } });
  });

  test('an endpoint that moves is counted once and no longer listed as missing', async () => {
    const [a, b] = [harness.gateway('gw-a', [1, 2]), harness.gateway('gw-b', [])];
    const record = await harness.launch({ mode: 'raw' });
    a.fail([1, 'disconnected', 'closed', '']);
    await harness.pass(300);
    b.join(1);
    b.answer(1);
    a.answer(2);
    await harness.settle();
    const events = await harness.events(record);
    expect(of(events, 'failures').flatMap((event) => event.failures.map(([num]) => num))).toEqual([1]);
    expect(of(events, 'recovered').flatMap((event) => event.numbers)).toEqual([1]);
    expect(await harness.ended(record)).toMatchObject({ ledger: { targeted: 2, answered: 2, disconnected: 0 } });
  });

  test('writes progress immediately, then a few times a second, and once a second when nothing changes', async () => {
    const gateway = harness.gateway('gw-a', range(1, 100));
    const record = await harness.launch();
    const first = of(await harness.events(record), 'progress').map(({ ledger }) => ledger.targeted);
    expect(first).toEqual([0, 100]);
    for (let num = 1; num <= 50; num += 1) {
      gateway.answer(num);
      await harness.pass(20);
    }
    const busy = of(await harness.events(record), 'progress');
    expect(busy.length).toBeGreaterThanOrEqual(4);
    expect(busy.length).toBeLessThanOrEqual(8);
    for (const { ledger } of busy) expect(ledgerBalances(ledger)).toBe(true);
    await harness.pass(300);
    const before = of(await harness.events(record), 'progress').length;
    for (let i = 0; i < 4; i += 1) {
      await harness.pass(1_000);
      gateway.keepAlive();
    }
    const quiet = of(await harness.events(record), 'progress').length - before;
    expect(quiet).toBeGreaterThanOrEqual(4);
    expect(quiet).toBeLessThanOrEqual(9);
  });

  test('the first rows are not delayed by the progress event before them', async () => {
    const gateway = harness.gateway('gw-a', range(1, 3));
    const record = await harness.launch();
    await harness.pass(20);
    gateway.answer(1);
    await harness.settle();
    expect(of(await harness.events(record), 'groups')).toHaveLength(1);
  });

  test('reduces before the end event', async () => {
    const gateway = harness.gateway('gw-a', [1]);
    const record = await harness.launch({ reduce: 'SELECT count(*) AS n FROM rows' });
    gateway.answer(1);
    await harness.settle();
    expect((await harness.events(record)).map((event) => event.t).slice(-2)).toEqual(['reduced', 'ended']);
  });

  test('writes nothing more and broadcasts nothing when another coordinator has ended it', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await harness.launch();
    await harness.pass(300);
    await harness.takeOver(record);
    gateway.answer(1);
    await harness.pass(300);
    expect(harness.coordinator.size).toBe(0);
    expect((await harness.events(record)).at(-1)).toMatchObject({ t: 'ended', record: { state: 'interrupted' } });
    expect(gateway.stops).toEqual([]);
    expect((await harness.records.get(record.org, record.id))?.record.state).toBe('running');
  });

  test('continues after a short outage of the broker', async () => {
    const gateway = harness.gateway('gw-a', [1, 2]);
    const record = await harness.launch();
    harness.broker.interrupt();
    await harness.pass(1_000);
    harness.broker.restore();
    await harness.pass(500);
    gateway.answer(1, 2);
    await harness.pass(500);
    expect(await harness.ended(record)).toMatchObject({ state: 'complete', ledger: { answered: 2 } });
  });

  test('is abandoned when the broker stays away', async () => {
    harness.gateway('gw-a', [1, 2]);
    await harness.launch();
    harness.broker.interrupt();
    await harness.pass(8_000);
    expect(harness.coordinator.size).toBe(0);
    harness.broker.restore();
  });
});

function beatOf(from: CoordinatorHarness, record: { id: string }): Uint8Array {
  const query = [...from.coordinator.all()].find((one) => one.record.id === record.id);
  const queries = query === undefined ? [] : [query.startMessage()];
  return encodeBusMessage({ t: 'owner_beat', owner: from.coordinatorId, queries, operators: [], stopping: false });
}
