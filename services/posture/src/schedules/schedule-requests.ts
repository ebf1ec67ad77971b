import type { ChangeTerms, PostureRequest, ScheduleTerms } from '@muster/messages';
import { AppError, parseSelector, usesHealth, type OrgId } from '@muster/protocol';
import type { ScheduleRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { DecisionStore } from '../decisions/decision-store.js';
import type { PackLibrary } from '../packs/pack-library.js';
import { checkFields, checkTimes, nextOf } from './schedule-times.js';

/** They are all in one reply of a list. */
const MAX_PER_ORG = 200;

type Person = ScheduleRecord['by'];
type ChangeSchedule = Pick<PostureRequest & { readonly t: 'change_schedule' }, 'org' | 'id' | 'by' | 'change'>;

export interface ScheduleRequestsOptions {
  readonly schedules: DecisionStore<ScheduleRecord>;
  readonly packs: Pick<PackLibrary, 'find'>;
  readonly clock: Clock;
}

/** What people do with schedules. Who may do it, the API has looked at. */
export class ScheduleRequests {
  readonly #options: ScheduleRequestsOptions;

  constructor(options: ScheduleRequestsOptions) {
    this.#options = options;
  }

  /** By name, each with its last firing. */
  list(org: OrgId): ScheduleRecord[] {
    const all = this.#options.schedules.list(org);
    const sorted = all.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
    return sorted.map((schedule) => ({ ...schedule, firings: schedule.firings.slice(0, 1) }));
  }

  /** Those that run a pack, paused ones too: they may be resumed. */
  of(org: OrgId, pack: string): ScheduleRecord[] {
    return this.list(org).filter((schedule) => schedule.pack === pack);
  }

  /** @throws AppError `not_found` for a pack that is not applied, `bad_request`, `conflict`, `idempotency_mismatch` */
  create(org: OrgId, by: Person, terms: ScheduleTerms, asked?: string): Promise<ScheduleRecord> {
    const { schedules } = this.#options;
    const id = asked ?? schedules.newId();
    return schedules.createOnce(
      { org, id },
      () => this.#make(org, id, by, terms),
      (there) => isMadeOf(there, by, terms),
    );
  }

  #make(org: OrgId, id: string, by: Person, terms: ScheduleTerms): ScheduleRecord {
    const { schedules, packs, clock } = this.#options;
    packs.find(org, terms.pack);
    const parsed = parseSelector(terms.scope);
    if (!parsed.ok) throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
    if (usesHealth(parsed.selector))
      throw new AppError('bad_request', 'a schedule cannot select by health, which is known when somebody asks only', {
        details: { field: 'selector' },
      });
    const nowMs = clock.now();
    checkFields(terms.cron);
    checkTimes(terms, nowMs);
    if (schedules.list(org).length >= MAX_PER_ORG)
      throw new AppError('conflict', `there are ${MAX_PER_ORG} schedules; delete one first`);
    return {
      ...{ kind: 'schedule', id, org, ...terms, by, createdAtMs: nowMs, changedBy: by, changedAtMs: nowMs },
      ...{ state: 'active', ...nextOf({ ...terms, id }, nowMs), firings: [] },
    };
  }

  async show(org: OrgId, id: string): Promise<ScheduleRecord> {
    return (await this.#options.schedules.find(org, id)).record;
  }

  /** One that is resumed, or has other moments, starts with the first moment after now: what passed meanwhile is not made up for. */
  async change(request: ChangeSchedule & ChangeTerms): Promise<ScheduleRecord> {
    const { org, id, by, change } = request;
    const { schedules, clock } = this.#options;
    const nowMs = clock.now();
    const changedOf = (record: ScheduleRecord): ScheduleRecord => {
      const { next: _next, ...rest } = { ...record, changedBy: by, changedAtMs: nowMs };
      if (change === 'delete') return { ...rest, deleted: true };
      const changed = { ...rest, ...change };
      if (change.cron !== undefined) checkFields(change.cron);
      checkTimes(changed, nowMs);
      if (changed.state === 'paused') return changed;
      const isSame = record.state === 'active' && !('cron' in change || 'timeZone' in change || 'jitterMs' in change);
      return { ...changed, ...(isSame ? { ...(record.next && { next: record.next }) } : nextOf(changed, nowMs)) };
    };
    return schedules.update(org, id, changedOf, request);
  }
}

/** What nobody can change since is the same, and the rest too, unless somebody changed it. */
function isMadeOf(there: ScheduleRecord, by: Person, terms: ScheduleTerms): boolean {
  const { pack, selector, scope } = terms;
  if (there.by.id !== by.id || there.pack !== pack || there.selector !== selector || there.scope !== scope)
    return false;
  if (there.changedAtMs > there.createdAtMs) return true;
  return there.name === terms.name && there.cron === terms.cron && there.timeZone === terms.timeZone;
}
