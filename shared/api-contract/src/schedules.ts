import { LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { duration, label, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { ASKED_POSTURE as ASKED, packId, SCAN_TIMEOUT_MS, scanDetail, scanTimeout } from './posture-fields.js';

const DAY_MS = 24 * 3_600_000;

export const SCHEDULE_STATES = ['active', 'paused'] as const;
/** What became of a moment at which a scan was due. */
export const FIRING_RESULTS = ['started', 'missed', 'failed'] as const;

const firingSchema = z
  .object({
    dueAt: timestamp.meta({ description: 'The moment that the cron expression names, without jitter.' }),
    at: timestamp.meta({ description: 'When the scan was started, or when it was found out that it was not.' }),
    result: z.enum(FIRING_RESULTS),
    scan: z.string().optional().meta({ description: 'Its scan.' }),
    missed: z.int().positive().optional().meta({ description: 'How many moments passed while nobody could start it.' }),
    message: z.string().optional().meta({ description: 'Why there is no scan.' }),
  })
  .meta({ id: 'Firing', description: 'One moment at which a schedule was due.' });

const scheduleSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    state: z.enum(SCHEDULE_STATES),
    pack: z.string(),
    selector: z.string(),
    scope: z.string(),
    cron: z.string(),
    timeZone: z.string(),
    jitterMs: z.int().nonnegative(),
    timeoutMs: z.int().positive(),
    waitMs: z.int().positive().optional(),
    detail: scanDetail,
    createdBy: z.object({ id: z.string(), name: z.string() }),
    createdAt: timestamp,
    changedBy: z.object({ id: z.string(), name: z.string() }),
    changedAt: timestamp,
    nextAt: timestamp
      .optional()
      .meta({ description: 'When it starts the next scan, jitter included. Absent while it is paused.' }),
    firings: z.array(firingSchema).meta({ description: 'The last ones, newest first: at most 20, in lists one.' }),
  })
  .meta({ id: 'Schedule', description: 'Scans that start by themselves.' });

const cron = z
  .string()
  .min(1)
  .max(200)
  .meta({ description: 'Five fields: minute, hour, day of month, month, day of week. `0 2 * * 1-5`, `*/30 * * * *`.' });
const timeZone = z.string().min(1).max(64).meta({ description: 'An IANA time zone: `Europe/Berlin`.' });
const jitter = duration(
  0,
  DAY_MS,
  'bad_request',
  'Each scan starts up to so much later, at most 24h, and before the next moment; chosen anew each time.',
);

const createSchema = z
  .strictObject({
    name: label(100).meta({ description: 'For people; need not be unique.' }),
    pack: packId.meta({ description: 'The id of a pack; the version that is newest when a scan starts runs.' }),
    selector: selectorText.default('').meta({ description: 'Which endpoints; empty means all. Not by `health`.' }),
    cron,
    timeZone: timeZone.default('UTC'),
    jitter: jitter.optional(),
    timeout: scanTimeout.optional(),
    wait: duration(
      1_000,
      LIMITS.huntMaxMs,
      'bad_timeout',
      'For so long each scan waits for endpoints that are away, at most 14d.',
    ).optional(),
    detail: scanDetail.optional(),
  })
  .transform(({ jitter: jitterMs = 0, timeout = SCAN_TIMEOUT_MS, wait, ...rest }) => ({
    ...{ ...rest, jitterMs, timeoutMs: timeout },
    ...(wait === undefined ? {} : { waitMs: wait }),
  }));

const changeSchema = z
  .strictObject({
    state: z.enum(SCHEDULE_STATES).optional(),
    name: label(100).optional(),
    cron: cron.optional(),
    timeZone: timeZone.optional(),
    jitter: jitter.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .transform(({ jitter: jitterMs, ...rest }) => ({ ...rest, ...(jitterMs === undefined ? {} : { jitterMs }) }));

const idParameter = z.object({
  id: z
    .string()
    .regex(/^sch[a-z2-7]{13}$/, 'is not the id of a schedule')
    .meta({ description: "The schedule's id." }),
});

export const scheduleOperations = defineOperations('schedules', {
  createSchedule: {
    method: 'post',
    path: '/v1/schedules',
    action: 'schedule.create',
    audited: true,
    summary: 'Run a pack again and again, at moments that a cron expression names',
    description:
      'Scans start in the name of who made it, within the selector that bounds them now. It goes on when their token ends, until it is paused or deleted. ' +
      'However many posture services run, each moment starts one scan. One that nobody could start within ten minutes, or before the next one had come too, is `missed`, and not made up for.',
    access: 'queries:run',
    body: createSchema,
    idempotent: true,
    answers: { 201: { ...jsonAnswer('It is kept.', scheduleSchema), headers: { location: 'Where it is.' } } },
    problems: [
      ...(['not_found', 'bad_selector', 'bad_timeout', 'conflict', 'idempotency_mismatch'] as const),
      ...(['too_large', 'unsupported_media_type'] as const),
      ...ASKED,
    ],
  },
  listSchedules: {
    method: 'get',
    path: '/v1/schedules',
    action: 'schedule.list',
    summary: 'All schedules that the caller may see, by name',
    access: 'queries:read',
    answers: { 200: jsonAnswer('All of them.', z.object({ items: z.array(scheduleSchema) })) },
    problems: ASKED,
  },
  showSchedule: {
    method: 'get',
    path: '/v1/schedules/{id}',
    action: 'schedule.show',
    summary: 'One schedule, and what became of its last moments',
    access: 'queries:read',
    params: idParameter,
    answers: { 200: jsonAnswer('The schedule.', scheduleSchema) },
    problems: ['not_found', ...ASKED],
  },
  changeSchedule: {
    method: 'patch',
    path: '/v1/schedules/{id}',
    action: 'schedule.change',
    audited: true,
    summary: 'Pause or resume a schedule, or give it other moments',
    description: 'For who made it, and for admins whom no selector bounds.',
    access: 'queries:run',
    params: idParameter,
    body: changeSchema,
    answers: { 200: jsonAnswer('As it is now.', scheduleSchema) },
    problems: ['not_found', 'conflict', 'too_large', 'unsupported_media_type', ...ASKED],
  },
  deleteSchedule: {
    method: 'delete',
    path: '/v1/schedules/{id}',
    action: 'schedule.delete',
    audited: true,
    summary: 'End a schedule; a scan that runs goes on',
    description: 'For who made it, and for admins whom no selector bounds.',
    access: 'queries:run',
    params: idParameter,
    answers: { 204: { description: 'It starts nothing any more.' } },
    problems: ['not_found', 'conflict', ...ASKED],
  },
});

export type ScheduleJson = Json<typeof scheduleSchema>;
export type FiringJson = Json<typeof firingSchema>;
