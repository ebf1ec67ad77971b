import { createHash } from 'node:crypto';
import { AppError } from '@muster/protocol';
import type { ScheduleRecord } from '@muster/records';
import { Cron } from 'croner';

type Terms = Pick<ScheduleRecord, 'cron' | 'timeZone'>;

/** More moments than these are not counted one by one. */
const MAX_MISSED = 1_000;

/** The fields in their order, each with its first and last number. Sunday is 0 and 7. */
const FIELDS = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of month', 1, 31],
  ['month', 1, 12],
  ['day of week', 0, 7],
] as const;

/**
 * @throws AppError `bad_request` unless it has five fields with numbers that these have: the library takes dates, names
 * and some of other numbers too
 */
export function checkFields(cron: string): void {
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    throw badCron(`cron "${cron}": not five fields (minute, hour, day of month, month, day of week)`);
  for (const [i, [name, first, last]] of FIELDS.entries())
    for (const part of (fields[i] ?? '').split(',')) {
      const [range = '', step] = part.split('/');
      // Behind # is which one in the month.
      const wrong = numbersOf(range.replace(/#.*/, '')).find((value) => Number(value) < first || Number(value) > last);
      if (wrong !== undefined) throw badCron(`cron "${cron}": ${name} ${wrong} is not from ${first} to ${last}`);
      const wide = numbersOf(step ?? '').find((value) => Number(value) < 1 || Number(value) > last);
      if (wide !== undefined) throw badCron(`cron "${cron}": the step ${wide} of ${name} is not from 1 to ${last}`);
    }
}

function numbersOf(text: string): readonly string[] {
  return text.match(/\d+/g) ?? [];
}

function neverText(cron: string): string {
  return `cron "${cron}" names no moment in the future: no month of it has such a day`;
}

function badCron(message: string, cause?: unknown): AppError {
  return new AppError('bad_request', message, {
    ...(cause === undefined ? {} : { cause }),
    details: { field: 'cron' },
  });
}

/** @throws AppError `bad_request` for an expression or a zone that cannot be read, or that names no moment at all */
export function checkTimes(terms: Terms, nowMs: number): void {
  let next: number | undefined;
  try {
    next = nextDue(terms, nowMs);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    // The library looks through all years, a call deeper in each month that the day does not have.
    if (why.includes('call stack')) throw badCron(neverText(terms.cron), cause);
    throw badCron(`cron "${terms.cron}" in ${terms.timeZone}: ${why}`, cause);
  }
  if (next === undefined) throw badCron(neverText(terms.cron));
}

/** The first moment after this one. `undefined` where there is none. */
export function nextDue(terms: Terms, afterMs: number): number | undefined {
  return cronOf(terms).nextRun(new Date(afterMs))?.getTime();
}

/** When a scan is due, and when it starts: jitter included. */
export type Moment = Required<ScheduleRecord>['next'];
type Timed = Terms & Pick<ScheduleRecord, 'id' | 'jitterMs'>;

/**
 * With the moment at which the scan starts: jitter is another one each time, and the same on every instance. It ends
 * before the next moment, so that each one has its scan, in sequence.
 */
export function nextOf(schedule: Timed, afterMs: number): Pick<ScheduleRecord, 'next'> {
  const next = nextMoment(schedule, afterMs);
  return next === undefined ? {} : { next };
}

function nextMoment(schedule: Timed, afterMs: number): Moment | undefined {
  const dueMs = nextDue(schedule, afterMs);
  if (dueMs === undefined) return undefined;
  const { id, jitterMs } = schedule;
  if (jitterMs === 0) return { dueMs, atMs: dueMs };
  const untilMs = Math.min(dueMs + jitterMs, nextDue(schedule, dueMs) ?? Infinity);
  const random = createHash('sha256').update(`${id}/${dueMs}`).digest().readUInt32BE() / 2 ** 32;
  return { dueMs, atMs: dueMs + Math.floor(random * (untilMs - dueMs)) };
}

/** The last moment at which a scan should have started by now, from the first one on; how many came before it; and the moment after it. */
export function passedBy(
  schedule: Timed,
  first: Moment,
  nowMs: number,
): { readonly last: Moment; readonly before: number } & Pick<ScheduleRecord, 'next'> {
  let last = first;
  for (let before = 0; before < MAX_MISSED; before += 1) {
    const next = nextMoment(schedule, last.dueMs);
    if (next === undefined) return { last, before };
    if (next.atMs > nowMs) return { last, before, next };
    last = next;
  }
  return { last, before: MAX_MISSED - 1, ...nextOf(schedule, nowMs) };
}

/** Five fields: nobody wants a scan each second. */
function cronOf({ cron, timeZone }: Terms): Cron {
  return new Cron(cron, { timezone: timeZone, mode: '5-part', paused: true });
}
