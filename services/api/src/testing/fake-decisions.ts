import type { PostureReply, PostureRequest } from '@muster/messages';
import type { ExceptionRecord, ScheduleRecord } from '@muster/records';

/** Schedules and exceptions, kept as a posture service keeps them. */
export class FakeDecisions {
  readonly schedules = new Map<string, ScheduleRecord>();
  readonly exceptions = new Map<string, ExceptionRecord>();
  #made = 0;

  reply(request: PostureRequest): PostureReply {
    switch (request.t) {
      case 'create_schedule': {
        const { org, by, terms, id = this.#id('sch') } = request;
        const schedule: ScheduleRecord = {
          ...{
            kind: 'schedule',
            id,
            org,
            ...terms,
            by,
            createdAtMs: 0,
            changedBy: by,
            changedAtMs: 0,
          },
          ...{ state: 'active', next: { dueMs: 1, atMs: 1 }, firings: [] },
        };
        this.schedules.set(schedule.id, schedule);
        return { t: 'schedule', schedule };
      }
      case 'list_schedules':
        return { t: 'schedules', schedules: [...this.schedules.values()].filter(({ org }) => org === request.org) };
      case 'show_schedule':
      case 'change_schedule': {
        const schedule = this.schedules.get(request.id);
        if (schedule === undefined || schedule.org !== request.org) return missing(request.id);
        if (request.t === 'show_schedule') return { t: 'schedule', schedule };
        if (request.change === 'delete') this.schedules.delete(request.id);
        else this.schedules.set(request.id, { ...schedule, ...request.change });
        return { t: 'schedule', schedule: this.schedules.get(request.id) ?? schedule };
      }
      case 'create_exception': {
        const { org, by, terms, id = this.#id('exc') } = request;
        const exception: ExceptionRecord = {
          ...{ kind: 'exception', id, org, ...terms, by, createdAtMs: 0 },
        };
        this.exceptions.set(exception.id, exception);
        return { t: 'exception', exception };
      }
      case 'list_exceptions':
        return { t: 'exceptions', exceptions: [...this.exceptions.values()].filter(({ org }) => org === request.org) };
      case 'delete_exception': {
        const exception = this.exceptions.get(request.id);
        if (exception === undefined) return missing(request.id);
        this.exceptions.delete(request.id);
        return { t: 'exception', exception };
      }
      default:
        throw new Error(`the fake does not know ${request.t}`);
    }
  }

  #id(prefix: string): string {
    this.#made += 1;
    return (
      prefix +
      String(this.#made)
        .padStart(13, '2')
        .replaceAll(/[0189]/g, 'b')
    );
  }
}

const missing = (id: string): PostureReply => ({
  ...{ t: 'problem', code: 'not_found', message: `there is no ${id}`, details: {} },
});
