import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { StartScan } from '@muster/messages';
import { AppError, type OrgId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS, type ScheduleRecord } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { DecisionStore } from '../decisions/decision-store.js';
import { ScheduleRequests } from './schedule-requests.js';
import { Scheduler, schedulerMetrics } from './scheduler.js';

const ORG = 'acme' as OrgId;
const ANN = { id: 'ann', name: 'Ann' };
/** 2026-03-28 00:00 in Berlin, the day before the clocks go forward. */
const START_MS = Date.parse('2026-03-27T23:00:00Z');
const HOUR_MS = 3_600_000;
const TERMS = {
  ...{ name: 'nightly', pack: 'own', selector: 'os=linux', bound: '', scope: 'os=linux', cron: '30 2 * * *' },
  ...{ timeZone: 'Europe/Berlin', jitterMs: 0, timeoutMs: 60_000, detail: 'endpoints' as const },
};

let broker: MemoryBroker;
let clock: FakeClock;
let started: StartScan[];
let fault: AppError | undefined;
/** Scans that began, by id: what the query services know. */
let begun: Map<string, number>;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  broker = new MemoryBroker();
  clock = new FakeClock(START_MS);
  started = [];
  fault = undefined;
  begun = new Map();
  await broker.connect().streams.ensure(Object.values(STREAMS));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startInstance(options: { readonly startScan?: (request: StartScan) => Promise<never> } = {}) {
  const { streams } = broker.connect();
  const schedules = new DecisionStore<ScheduleRecord>({
    ...{ streams, logger: silentLogger, noun: 'schedule', prefix: 'sch' },
    ...{ subjects: STREAM_SUBJECTS.allSchedules, subjectOf: STREAM_SUBJECTS.schedule },
  });
  const scheduler = new Scheduler({
    ...{ schedules, clock, logger: silentLogger, metrics: schedulerMetrics(createMetrics('posture')) },
    startedAt: (_org, scan) => Promise.resolve(begun.get(scan)),
    startScan:
      options.startScan ??
      (async (request) => {
        if (fault !== undefined) throw fault;
        started.push(request);
        return { id: request.id as never };
      }),
  });
  await schedules.start();
  scheduler.start();
  const stop = async (): Promise<void> => {
    await scheduler.stop();
    await schedules.stop();
  };
  stops.push(stop);
  const requests = new ScheduleRequests({ schedules, packs: { find: () => undefined as never }, clock });
  return { schedules, requests, stop };
}

/** Lets the time pass in steps in which every instance looks. */
async function pass(ms: number, stepMs = 1_000): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(left, stepMs));
    // What a look writes comes back over the streams.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

const until = async (iso: string): Promise<void> => pass(Date.parse(iso) - clock.now(), 20 * 60_000);

describe('schedules', () => {
  test('start one scan at each moment, in their time zone, though three instances look', async () => {
    const [{ requests }] = await Promise.all([startInstance(), startInstance(), startInstance()]);
    const { id, next } = await requests.create(ORG, ANN, TERMS);
    expect(next).toEqual({ dueMs: Date.parse('2026-03-28T01:30:00Z'), atMs: Date.parse('2026-03-28T01:30:00Z') });
    await until('2026-03-28T01:29:58Z');
    expect(started).toEqual([]);
    await pass(5_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length === 1, 'the firing is kept');
    expect(started).toHaveLength(1);
    expect(started[0]).toMatchObject({ org: ORG, operator: 'ann', pack: 'own', selector: 'os=linux', mode: 'raw' });
    // 02:30 does not exist on the next day: the clocks go from 02:00 to 03:00.
    expect(await requests.show(ORG, id)).toMatchObject({
      firings: [{ result: 'started', scan: started[0]?.id, dueMs: Date.parse('2026-03-28T01:30:00Z') }],
      next: { dueMs: expect.any(Number) },
    });
    const { next: second } = await requests.show(ORG, id);
    expect(second?.dueMs).toBeGreaterThan(Date.parse('2026-03-29T00:00:00Z'));
    expect(second?.dueMs).toBeLessThanOrEqual(Date.parse('2026-03-30T00:30:00Z'));
  });

  test('that are due at one moment start one scan each, though an instance starts one slowly and another one starts the next meanwhile', async () => {
    let goOn = (): void => undefined;
    const slowly = new Promise<void>((resolve) => (goOn = resolve));
    const slow = await startInstance({
      startScan: async (request) => {
        await slowly;
        started.push(request);
        return { id: request.id } as never;
      },
    });
    const ids = ['schaaaaaaaaaaaaa', 'schbbbbbbbbbbbbb'] as const;
    for (const id of ids) await slow.requests.create(ORG, ANN, TERMS, id);
    await until('2026-03-28T01:29:58Z');
    await pass(3_000);
    await startInstance();
    await pass(3_000);
    expect(started).toHaveLength(1);
    goOn();
    await pass(3_000);
    const firings = await Promise.all(ids.map(async (id) => (await slow.requests.show(ORG, id)).firings));
    expect(firings).toMatchObject([[{ result: 'started' }], [{ result: 'started' }]]);
    const scans = new Set(firings.flat().map(({ scan }) => scan));
    expect([started.length, scans]).toEqual([2, new Set(started.map(({ id }) => id))]);
  });

  test('are made once for one id, by whichever instance, also when the org has as many as it may', async () => {
    const [one, other] = await Promise.all([startInstance(), startInstance()]);
    const id = 'schaaaaaaaaaaaaa';
    const made = await Promise.all([one, other].map(({ requests }) => requests.create(ORG, ANN, TERMS, id)));
    expect(made.map((schedule) => schedule.id)).toEqual([id, id]);
    expect(made[1]).toEqual(made[0]);
    while (one.requests.list(ORG).length < 200) await one.requests.create(ORG, ANN, TERMS);
    await expect(one.requests.create(ORG, ANN, TERMS)).rejects.toMatchObject({ code: 'conflict' });
    expect(await other.requests.create(ORG, ANN, TERMS, id)).toEqual(made[0]);
    expect(one.requests.list(ORG)).toHaveLength(200);
    const others = { ...TERMS, selector: 'os=windows', scope: 'os=windows' };
    await expect(one.requests.create(ORG, ANN, others, id)).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    await one.requests.change({ org: ORG, id: id, by: ANN, change: 'delete' });
    await expect(other.requests.create(ORG, ANN, TERMS, id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(one.requests.create(ORG, ANN, TERMS, 'sch.>')).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('survive that the instance which won dies before it starts the scan: another one starts it under the same id', async () => {
    let asked: StartScan | undefined;
    const first = await startInstance({
      startScan: (request) => {
        asked = request;
        return new Promise<never>(() => undefined);
      },
    });
    const { id } = await first.requests.create(ORG, ANN, TERMS);
    await until('2026-03-28T01:29:58Z');
    await pass(4_000);
    await eventually(() => asked !== undefined, 'the first instance has asked');
    const second = await startInstance();
    await pass(15_000);
    expect(started).toEqual([]);
    await pass(10_000);
    await eventually(() => started.length === 1, 'the other one starts it');
    expect(started[0]?.id).toBe(asked?.id);
    await eventually(async () => (await second.requests.show(ORG, id)).claim === undefined, 'it is settled');
    // It never stops: its start hangs.
    stops.shift();
  });

  test('say what was missed while nobody ran, and do not make up for it', async () => {
    const first = await startInstance();
    const { id } = await first.requests.create(ORG, ANN, { ...TERMS, cron: '0 * * * *' });
    await first.stop();
    clock.advance(5 * HOUR_MS + 30 * 60_000);
    const { requests } = await startInstance();
    await pass(3_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length === 1, 'it is said');
    expect(started).toEqual([]);
    expect(await requests.show(ORG, id)).toMatchObject({
      firings: [{ result: 'missed', missed: 5, dueMs: START_MS + HOUR_MS }],
      next: { dueMs: START_MS + 6 * HOUR_MS },
    });
  });

  test('try again while no query service answers, for ten minutes; what is refused for good is not tried again', async () => {
    const { requests } = await startInstance();
    const { id } = await requests.create(ORG, ANN, TERMS);
    fault = new AppError('no_query_service', 'no query service answers');
    await until('2026-03-28T01:30:01Z');
    await pass(60_000);
    expect((await requests.show(ORG, id)).firings).toEqual([]);
    await pass(11 * 60_000, 5_000);
    await eventually(async () => (await requests.show(ORG, id)).firings[0]?.result === 'failed', 'it is given up');
    expect((await requests.show(ORG, id)).firings).toMatchObject([{ message: 'no query service answers' }]);
    fault = new AppError('not_found', 'there is no pack own');
    const other = await requests.create(ORG, ANN, { ...TERMS, cron: '*/10 * * * *' });
    await pass(11 * 60_000, 10_000);
    await eventually(async () => (await requests.show(ORG, other.id)).firings[0]?.result === 'failed', 'it is refused');
  });

  test('that were paused while their scan could not be started start none', async () => {
    const { requests } = await startInstance();
    const { id } = await requests.create(ORG, ANN, TERMS);
    fault = new AppError('no_query_service', 'no query service answers');
    await until('2026-03-28T01:29:58Z');
    await pass(5_000);
    const isRefused = async () => (await requests.show(ORG, id)).claim?.message !== undefined;
    await eventually(isRefused, 'its scan could not be started');
    await requests.change({ org: ORG, id: id, by: ANN, change: { state: 'paused' } });
    fault = undefined;
    await pass(60_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length === 1, 'it is said');
    expect(started).toEqual([]);
    const { firings, claim } = await requests.show(ORG, id);
    expect([claim, firings]).toMatchObject([
      undefined,
      [{ result: 'failed', message: expect.stringContaining('paused') }],
    ]);
  });

  test('say that a scan started though who started it died before it said so', async () => {
    const first = await startInstance({
      startScan: (request) => {
        begun.set(String(request.id), clock.now());
        return new Promise<never>(() => undefined);
      },
    });
    const { id } = await first.requests.create(ORG, ANN, TERMS);
    await until('2026-03-28T01:29:58Z');
    await pass(4_000);
    await eventually(() => begun.size === 1, 'the scan began');
    // It never stops: its start hangs.
    stops.shift();
    clock.advance(HOUR_MS);
    const { requests } = await startInstance();
    await pass(3_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length === 1, 'it is settled');
    const [[scan, atMs] = []] = begun;
    expect((await requests.show(ORG, id)).firings).toMatchObject([{ result: 'started', scan, atMs }]);
    expect(started).toEqual([]);
  });

  test('that were due several times in a short outage start one scan, and say how many were missed', async () => {
    const first = await startInstance();
    const { id } = await first.requests.create(ORG, ANN, { ...TERMS, cron: '* * * * *' });
    await first.stop();
    clock.advance(5 * 60_000 + 30_000);
    const { requests } = await startInstance();
    await pass(3_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length === 2, 'both are said');
    expect(started).toHaveLength(1);
    expect(await requests.show(ORG, id)).toMatchObject({
      firings: [
        { result: 'started', dueMs: START_MS + 5 * 60_000 },
        { result: 'missed', missed: 4, dueMs: START_MS + 60_000 },
      ],
      next: { dueMs: START_MS + 6 * 60_000 },
    });
  });

  test('with jitter longer than their interval start a scan for each moment', async () => {
    const { requests } = await startInstance();
    const { id } = await requests.create(ORG, ANN, { ...TERMS, cron: '0 * * * *', jitterMs: 24 * HOUR_MS });
    await pass(12 * HOUR_MS, 60_000);
    await eventually(async () => (await requests.show(ORG, id)).firings.length >= 11, 'they are kept');
    const { firings } = await requests.show(ORG, id);
    expect(new Set(firings.map(({ result }) => result))).toEqual(new Set(['started']));
    const due = firings.map(({ dueMs }) => (dueMs - START_MS) / HOUR_MS).toReversed();
    expect(due).toEqual(due.map((_, n) => n + 1));
  });

  test('that are paused or deleted start nothing; one that is resumed starts with the next moment', async () => {
    const { requests } = await startInstance();
    const paused = await requests.create(ORG, ANN, TERMS);
    const deleted = await requests.create(ORG, ANN, TERMS);
    await requests.change({ org: ORG, id: paused.id, by: ANN, change: { state: 'paused' } });
    await requests.change({ org: ORG, id: deleted.id, by: ANN, change: 'delete' });
    await until('2026-03-28T12:00:00Z');
    expect(started).toEqual([]);
    await expect(requests.show(ORG, deleted.id)).rejects.toMatchObject({ code: 'not_found' });
    const resumed = await requests.change({ org: ORG, id: paused.id, by: ANN, change: { state: 'active' } });
    expect(resumed.next?.dueMs).toBeGreaterThan(clock.now());
    expect(resumed.firings).toEqual([]);
  });

  test('with jitter start later, at another moment each time, and never before they are due', async () => {
    const { requests } = await startInstance();
    const made = await Promise.all(
      Array.from({ length: 20 }, () => requests.create(ORG, ANN, { ...TERMS, jitterMs: 600_000 })),
    );
    const delays = made.map(({ next }) => (next?.atMs ?? 0) - (next?.dueMs ?? 0));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(600_000);
    expect(new Set(delays).size).toBeGreaterThan(15);
  });

  test.each([
    ['61 * * * *', 'UTC'],
    ['* * * * * *', 'UTC'],
    ['0 2 30 2 *', 'UTC'],
    ['2030-01-01T00:00:00', 'UTC'],
    ['@hourly', 'UTC'],
    ['0 2 * * *', 'Mars/Olympus'],
  ])('refuse moments that cannot be read: %s in %s', async (cron, timeZone) => {
    const { requests } = await startInstance();
    await expect(requests.create(ORG, ANN, { ...TERMS, cron, timeZone })).rejects.toMatchObject({
      code: 'bad_request',
      details: { field: 'cron' },
    });
  });
});
