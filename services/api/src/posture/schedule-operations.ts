import { operations, type ScheduleJson } from '@muster/api-contract';
import { AppError, joinSelectors } from '@muster/protocol';
import type { ScheduleRecord } from '@muster/records';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import { maySee } from '../queries/query-store.js';
import type { RetentionPolicy } from '../queries/retention-policy.js';
import { allParts } from './all-parts.js';
import { decisionId } from './decision-id.js';
import type { ScanDetails } from './scan-detail.js';
import type { PostureClient } from '../upstream/posture-client.js';

export interface ScheduleParts {
  readonly client: PostureClient;
  readonly details: ScanDetails;
  readonly retention: Pick<RetentionPolicy, 'checkWait'>;
}

/** Scans that start by themselves. */
export function scheduleOperations(parts: ScheduleParts): Operation[] {
  return [
    createOperation(parts),
    listOperation(parts),
    showOperation(parts),
    changeOperation(parts),
    deleteOperation(parts),
  ];
}

function createOperation({ client, details, retention }: ScheduleParts): Operation {
  return implement(operations.createSchedule, async ({ principal, body, note, requestKey }) => {
    const scope = joinSelectors(body.selector, principal.selector);
    const { pack, cron, timeZone, waitMs } = body;
    note({ scope, details: { pack, cron, timeZone } });
    retention.checkWait(principal.org, waitMs);
    const terms = {
      ...{ name: body.name, pack, selector: body.selector, bound: principal.selector ?? '', scope, cron, timeZone },
      ...{ jitterMs: body.jitterMs, timeoutMs: body.timeoutMs, ...given('waitMs', waitMs) },
      detail: body.detail ?? (await details.of(principal, body.selector)),
    };
    const id = decisionId('sch', requestKey);
    const request = { t: 'create_schedule' as const, org: principal.org, by: personOf(principal), id, terms };
    const { schedule } = await client.ask(request, 'schedule');
    note({ subject: schedule.id, scope, details: { name: schedule.name, pack, cron, timeZone } });
    return json(201, scheduleJson(schedule), { headers: { location: `/v1/schedules/${schedule.id}` } });
  });
}

function listOperation({ client }: ScheduleParts): Operation {
  return implement(operations.listSchedules, async ({ principal }) => {
    const schedules = await allParts(async (last?: ScheduleRecord) => {
      const place = { org: principal.org, after: last?.id ?? '' };
      const reply = await client.ask({ t: 'list_schedules', ...place }, 'schedules');
      return { items: reply.schedules, isCut: reply.isCut };
    });
    const visible = schedules.filter((schedule) => maySee(principal, asked(schedule))).sort(byName);
    return json(200, { items: visible.map(scheduleJson) });
  });
}

function showOperation({ client }: ScheduleParts): Operation {
  return implement(operations.showSchedule, async ({ principal, params }) =>
    json(200, scheduleJson(await find(client, principal, params.id))),
  );
}

function changeOperation({ client }: ScheduleParts): Operation {
  return implement(operations.changeSchedule, async ({ principal, params: { id }, body, note }) => {
    const { state, name, cron, timeZone, jitterMs } = body;
    note({ subject: id, details: { ...body } });
    mayChange(principal, await find(client, principal, id));
    const change = {
      ...{ ...given('state', state), ...given('name', name), ...given('cron', cron) },
      ...{ ...given('timeZone', timeZone), ...given('jitterMs', jitterMs) },
    };
    const by = personOf(principal);
    const { schedule } = await client.ask({ t: 'change_schedule', org: principal.org, id, by, change }, 'schedule');
    return json(200, scheduleJson(schedule));
  });
}

function deleteOperation({ client }: ScheduleParts): Operation {
  return implement(operations.deleteSchedule, async ({ principal, params: { id }, note }) => {
    note({ subject: id });
    const schedule = await find(client, principal, id);
    mayChange(principal, schedule);
    note({ subject: id, scope: schedule.scope, details: { name: schedule.name, pack: schedule.pack } });
    const by = personOf(principal);
    await client.ask({ t: 'change_schedule', org: principal.org, id, by, change: 'delete' }, 'schedule');
    return json(204);
  });
}

const byName = (a: ScheduleRecord, b: ScheduleRecord): number =>
  a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1;

const personOf = ({ id, name }: Principal): { id: string; name: string } => ({ id, name });

/** As the rule about who sees a query takes it. */
const asked = ({ by, scope, selector }: ScheduleRecord) => ({ operator: by.id, scope, selector });

/** @throws AppError `not_found` */
async function find(client: PostureClient, principal: Principal, id: string): Promise<ScheduleRecord> {
  const { schedule } = await client.ask({ t: 'show_schedule', org: principal.org, id }, 'schedule');
  if (!maySee(principal, asked(schedule))) throw new AppError('not_found', `there is no schedule ${id}`);
  return schedule;
}

function mayChange({ role, bound, id }: Principal, { by, name }: ScheduleRecord): void {
  if (by.id === id || (role === 'admin' && bound.length === 0)) return;
  throw new AppError('forbidden', `the schedule ${name} belongs to ${by.name}; changing it needs an admin`, {
    details: { owner: by },
  });
}

function scheduleJson(schedule: ScheduleRecord): ScheduleJson {
  const { id, name, state, pack, selector, scope, cron, timeZone, jitterMs, timeoutMs, waitMs, detail } = schedule;
  const { by, createdAtMs, changedBy, changedAtMs, next, firings } = schedule;
  return {
    ...{
      id,
      name,
      state,
      pack,
      selector,
      scope,
      cron,
      timeZone,
      jitterMs,
      timeoutMs,
      ...given('waitMs', waitMs),
      detail,
    },
    ...{ createdBy: by, createdAt: isoTime(createdAtMs), changedBy, changedAt: isoTime(changedAtMs) },
    ...given('nextAt', next && isoTime(next.atMs)),
    firings: firings.map(({ dueMs, atMs, result, scan, missed, message }) => ({
      ...{ dueAt: isoTime(dueMs), at: isoTime(atMs), result },
      ...{ ...given('scan', scan), ...given('missed', missed), ...given('message', message) },
    })),
  };
}
