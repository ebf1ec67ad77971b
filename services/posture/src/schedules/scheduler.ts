import type { StartScan } from '@muster/messages';
import { AppError, newQueryId, type OrgId, type QueryId } from '@muster/protocol';
import type { Firing, QueryRecord, ScheduleRecord } from '@muster/records';
import type { Clock, Counter, Logger, Metrics, Timer } from '@muster/runtime';
import type { DecisionStore } from '../decisions/decision-store.js';
import { passedBy, type Moment } from './schedule-times.js';

export interface SchedulerOptions {
  readonly schedules: DecisionStore<ScheduleRecord>;
  readonly startScan: (request: StartScan) => Promise<Pick<QueryRecord, 'id'>>;
  /** When a scan began; `undefined`: there is none of this id. @throws StreamError */
  readonly startedAt: (org: OrgId, scan: QueryId) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: SchedulerMetrics;
}

const LOOK_MS = 1_000;
/** A scan that is late by more than this is not started any more. */
const GRACE_MS = 10 * 60_000;
/** A claim that is older than this is that of an instance that died or could not start the scan. Longer than a start may take. */
const CLAIM_MS = 20_000;
const KEPT_FIRINGS = 20;

type Claimed = ScheduleRecord & Required<Pick<ScheduleRecord, 'claim'>>;

/**
 * Starts the scans of schedules. Any number of instances look; for each moment one of them wins:
 *
 *     next is due ── written as claim, on the condition that nobody else wrote ──▶ claim ── the scan started ──▶ firing `started`
 *         │                                                                         │ older than 20 s: claimed again, same id of the scan
 *         └─ late by 10 min, or the next one has come too ──▶ firing `missed`       └─ older than 10 min, paused, or refused
 *                                                                                      ──▶ firing `failed`
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    }, LOOK_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.clock.clear(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { schedules, clock, logger } = this.#options;
    for (const schedule of [...schedules.living()]) {
      if (this.#isStopped) return;
      try {
        await this.#lookAt(schedule, clock.now());
      } catch (error) {
        logger.warn('a schedule cannot be looked after now', { schedule: schedule.id, err: error });
      }
    }
  }

  /** As it is now: while the one before was looked after, another instance may have claimed it. */
  async #lookAt({ org, id }: ScheduleRecord, nowMs: number): Promise<void> {
    const kept = this.#options.schedules.kept({ org, id });
    if (kept === undefined) return;
    const { record: schedule, seq } = kept;
    if (isClaimed(schedule)) {
      if (nowMs - schedule.claim.atMs > CLAIM_MS) await this.#takeOver(schedule, seq, nowMs);
    } else if (schedule.state === 'active' && schedule.next !== undefined && schedule.next.atMs <= nowMs)
      await this.#fire({ schedule, seq }, schedule.next, nowMs);
  }

  /** Of moments that passed while nobody looked, the last one starts a scan if it is not late; none of them is left unsaid. */
  async #fire(
    { schedule, seq }: { schedule: ScheduleRecord; seq: number },
    first: Moment,
    nowMs: number,
  ): Promise<void> {
    const { next: _next, ...rest } = schedule;
    const { last, before, ...after } = passedBy(schedule, first, nowMs);
    const isLate = nowMs - last.atMs > GRACE_MS;
    const missed = isLate ? before + 1 : before;
    const message = `no posture service could start ${missed === 1 ? 'it' : 'them'} in time`;
    const firing: Firing = { dueMs: first.dueMs, atMs: nowMs, result: 'missed', missed, message };
    if (isLate) return this.#end({ ...rest, ...after }, seq, firing);
    const claim = { dueMs: last.dueMs, scan: newQueryId(nowMs), sinceMs: nowMs, atMs: nowMs };
    const claimed = { ...rest, ...after, claim };
    if (missed === 0) await this.#claim(claimed, seq);
    else await this.#claim({ ...claimed, firings: withFiring(claimed, firing).firings }, seq, firing);
  }

  async #takeOver(schedule: Claimed, seq: number, nowMs: number): Promise<void> {
    const { claim, ...rest } = schedule;
    const { dueMs, sinceMs, scan, message = 'no query service could be asked' } = claim;
    // Who started it may have died before it said so.
    const atMs = await this.#options.startedAt(schedule.org, scan);
    if (atMs !== undefined) return this.#settle(schedule, { dueMs, atMs, result: 'started', scan });
    const failed = { dueMs, atMs: nowMs, result: 'failed' as const };
    if (schedule.state === 'paused')
      await this.#end(rest, seq, { ...failed, message: `it was paused before its scan could start: ${message}` });
    else if (nowMs - sinceMs > GRACE_MS) await this.#end(rest, seq, { ...failed, message });
    else await this.#claim({ ...schedule, claim: { ...claim, atMs: nowMs } }, seq);
  }

  /** `seq`: of the record that it was made of. `missed`: what the record says of moments before it. */
  async #claim(schedule: Claimed, seq: number, missed?: Firing): Promise<void> {
    const { schedules, startScan, clock, logger } = this.#options;
    const { org, id, claim } = schedule;
    if (!(await schedules.write(schedule, seq))) return;
    if (missed !== undefined) this.#told(schedule, missed);
    const { dueMs, scan } = claim;
    try {
      await startScan(requestOf(schedule, clock.now()));
      logger.info('scheduled scan started', { schedule: id, org, scan });
      await this.#settle(schedule, { dueMs, atMs: clock.now(), result: 'started', scan });
    } catch (error) {
      if (!AppError.is(error)) throw error;
      const { message, retryable } = error;
      logger.warn('a scheduled scan cannot be started', { schedule: id, org, err: error });
      if (!retryable) await this.#settle(schedule, { dueMs, atMs: clock.now(), result: 'failed', message });
      else
        await schedules.update(org, id, (now) =>
          now.claim?.scan === scan ? { ...now, claim: { ...now.claim, message } } : now,
        );
    }
  }

  /** Somebody may have paused, changed or deleted it meanwhile; what became of the moment is kept all the same. */
  async #settle({ org, id, claim }: Claimed, firing: Firing): Promise<void> {
    const { schedules, metrics } = this.#options;
    let isOurs = false;
    await schedules.update(org, id, (now) => {
      const { claim: present, ...rest } = now;
      isOurs = present?.scan === claim.scan;
      return isOurs ? withFiring(rest, firing) : now;
    });
    if (isOurs) metrics.firings.inc({ result: firing.result });
  }

  async #end(schedule: ScheduleRecord, seq: number, firing: Firing): Promise<void> {
    const { schedules } = this.#options;
    if (await schedules.write(withFiring(schedule, firing), seq)) this.#told(schedule, firing);
  }

  #told({ org, id }: ScheduleRecord, firing: Firing): void {
    const { metrics, logger } = this.#options;
    metrics.firings.inc({ result: firing.result });
    logger.warn('a scheduled scan was not started', { schedule: id, org, ...firing });
  }
}

function isClaimed(schedule: ScheduleRecord): schedule is Claimed {
  return schedule.claim !== undefined;
}

function withFiring(schedule: ScheduleRecord, firing: Firing): ScheduleRecord {
  return { ...schedule, firings: [firing, ...schedule.firings].slice(0, KEPT_FIRINGS) };
}

function requestOf(
  { org, by, pack, selector, bound, detail, timeoutMs, waitMs, claim }: Claimed,
  nowMs: number,
): StartScan {
  return {
    ...{
      t: 'start_scan',
      id: claim.scan,
      org,
      operator: by.id,
      operatorName: by.name,
      pack,
      selector,
      bound,
      timeoutMs,
    },
    mode: detail === 'endpoints' ? 'raw' : 'group',
    ...(waitMs === undefined ? {} : { waitUntilMs: nowMs + waitMs }),
  };
}

export interface SchedulerMetrics {
  readonly firings: Counter<'result'>;
}

export function schedulerMetrics(metrics: Metrics): SchedulerMetrics {
  return {
    firings: metrics.counter({
      name: 'muster_posture_firings_total',
      help: 'Moments at which a schedule was due, by what became of them: started, missed (nobody could start the scan in time), failed.',
      labels: ['result'],
      initial: [{ result: 'started' }, { result: 'missed' }, { result: 'failed' }],
    }),
  };
}
