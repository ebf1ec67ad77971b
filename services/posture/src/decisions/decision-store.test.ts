import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS, type ExceptionRecord, type ScheduleRecord } from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { ExceptionRequests } from './exception-requests.js';
import { ScheduleRequests } from '../schedules/schedule-requests.js';
import { DecisionStore } from './decision-store.js';

const ORG = 'acme' as OrgId;
const ANN = { id: 'ann', name: 'Ann' };
const SCHEDULE = {
  ...{ name: 'nightly', pack: 'own', selector: '', bound: '', scope: '', cron: '30 2 * * *' },
  ...{ timeZone: 'Europe/Berlin', jitterMs: 0, timeoutMs: 60_000, detail: 'endpoints' as const },
};
const EXCEPTION = { pack: 'own', check: 'one', selector: '', scope: '', owner: 'ops', reason: 'known' };
const packs = { find: () => undefined as never, read: () => ({ checks: [{ id: 'one' }] }) as never };

let broker: MemoryBroker;
const stops: (() => Promise<void>)[] = [];
beforeEach(async () => {
  broker = new MemoryBroker();
  await broker.connect().streams.ensure(Object.values(STREAMS));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function instance() {
  const { streams } = broker.connect();
  const schedules = new DecisionStore<ScheduleRecord>({
    ...{ streams, logger: silentLogger, noun: 'schedule', prefix: 'sch' },
    ...{ subjects: STREAM_SUBJECTS.allSchedules, subjectOf: STREAM_SUBJECTS.schedule },
  });
  const exceptions = new DecisionStore<ExceptionRecord>({
    ...{ streams, logger: silentLogger, noun: 'exception', prefix: 'exc' },
    ...{ subjects: STREAM_SUBJECTS.allExceptions, subjectOf: STREAM_SUBJECTS.exception },
  });
  for (const store of [schedules, exceptions]) {
    await store.start();
    stops.push(() => store.stop());
  }
  return {
    schedules: new ScheduleRequests({ schedules, packs, clock: systemClock }),
    exceptions: new ExceptionRequests({ exceptions, packs, clock: systemClock }),
  };
}

test('a deletion that reaches two instances is made once, and both say so; another call finds nothing', async () => {
  const [one, two] = [await instance(), await instance()];
  const { id } = await one.schedules.create(ORG, ANN, SCHEDULE);
  const asked = { org: ORG, id, by: ANN, change: 'delete' as const, changeId: 'c1' };
  const deleted = await one.schedules.change(asked);
  expect(deleted.deleted).toBe(true);
  expect(await two.schedules.change(asked)).toEqual(deleted);
  await expect(two.schedules.change({ ...asked, changeId: 'c2' })).rejects.toMatchObject({ code: 'not_found' });

  const exception = await one.exceptions.create(ORG, ANN, { ...EXCEPTION, untilMs: Date.now() + 60_000 });
  const remove = (at: typeof one, changeId: string) => at.exceptions.delete(ORG, exception.id, ANN, { changeId });
  const [first, second] = await Promise.all([remove(one, 'c1'), remove(two, 'c1')]);
  expect(first).toEqual(second);
  expect(first.deleted).toMatchObject({ by: ANN });
  await expect(remove(two, 'c2')).rejects.toMatchObject({ code: 'not_found' });
});

test('an instance that comes late with a change does not undo what was changed since', async () => {
  const [one, two] = [await instance(), await instance()];
  const { id } = await one.schedules.create(ORG, ANN, SCHEDULE);
  const pause = { org: ORG, id, by: ANN, change: { state: 'paused' as const }, changeId: 'c1' };
  await one.schedules.change(pause);
  await one.schedules.change({ ...pause, change: { state: 'active' }, changeId: 'c2' });
  expect((await two.schedules.change(pause)).state).toBe('active');
  expect((await two.schedules.show(ORG, id)).state).toBe('active');
  // Only the last ones are named.
  for (let n = 3; n < 20; n += 1) await one.schedules.change({ ...pause, changeId: `c${n}` });
  expect((await two.schedules.show(ORG, id)).changeIds).toHaveLength(8);
});
