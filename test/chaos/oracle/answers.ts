import { PARTS, type Part } from '../system/parts.js';
import type { Attempt, QueryObservation } from '../record/observations.js';
import { BOUNDS_MS } from './bounds.js';
import { FaultLog } from './fault-log.js';
import type { Stalls } from './stalls.js';
import type { Violation } from './violation.js';

export interface TimeFacts {
  readonly faults: FaultLog;
  readonly stalls: Pick<Stalls, 'within'>;
  /** What each bound is multiplied by. */
  readonly patience: number;
}

/** What a question and a command need beside the API: one of two services. */
export const SERVICES = {
  query: ['query-1', 'query-2'],
  command: ['command-1', 'command-2'],
} as const satisfies Record<string, readonly Part[]>;

/** Every request is answered in time, yes or no, whatever is frozen or dead behind the API. */
export function answersInTime(
  ids: readonly string[],
  attempts: readonly Attempt[],
  services: readonly Part[],
  { faults, stalls, patience }: TimeFacts,
): Violation[] {
  return attempts.flatMap((attempt) => {
    const { fromMs, toMs, waitMs = 0 } = attempt;
    const tookMs = toMs - fromMs - waitMs - stalls.within(fromMs, toMs);
    // An API that is dead or frozen cannot answer; it is one process.
    if (faults.touching(fromMs, toMs, ['api-1']).length > 0) return [];
    const struck = faults.touching(fromMs, toMs, PARTS).flatMap(({ fault }) => fault.map(({ part }) => part));
    const boundMs = answerBoundMs(struck, services) * patience;
    if (tookMs <= boundMs) return [];
    const told = `${textOf(attempt)} after ${tookMs} ms`;
    return [{ rule: 'answers come in time', atMs: toMs, ids, told, truth: `at most ${boundMs} ms` }];
  });
}

function answerBoundMs(struck: readonly Part[], services: readonly Part[]): number {
  if (struck.includes('nats') || services.every((part) => struck.includes(part))) return BOUNDS_MS.answerWithoutService;
  const isRedisAlone = struck.length > 0 && struck.every((part) => part === 'redis');
  return isRedisAlone ? BOUNDS_MS.answerWithoutRedis : BOUNDS_MS.answer;
}

/** Whoever was told "no" may repeat the request at once with the same key; one key makes one thing. */
export function keysAreFree(ids: readonly string[], attempts: readonly Attempt[]): Violation[] {
  const violations: Violation[] = [];
  const alone = attempts.filter(({ beside }) => beside !== true);
  const isDoubled = alone.length < attempts.length;
  for (const [i, attempt] of alone.entries()) {
    const before = alone[i - 1];
    if (attempt.status !== 409 || before?.status === undefined || isDoubled) continue;
    const told = `${textOf(before)}, and the repeat: ${textOf(attempt)}`;
    violations.push({
      rule: 'keys are free after a no',
      atMs: attempt.toMs,
      ids,
      told,
      truth: 'nothing was under way',
    });
  }
  const made = new Set(attempts.flatMap(({ id }) => (id === undefined ? [] : [id])));
  if (made.size > 1) {
    const told = [...made].join(' ');
    violations.push({ rule: 'one key makes one thing', atMs: alone[0]?.fromMs ?? 0, ids, told, truth: 'one key' });
  }
  return violations;
}

/** Fewer questions are asked at once than may be: "too many" means that questions run for which nobody waits. */
export function neverTooMany(ids: readonly string[], attempts: readonly Attempt[]): Violation[] {
  const refused = attempts.find(({ code }) => code === 'too_many_queries');
  if (refused === undefined) return [];
  const truth = 'fewer were asked at once than may be';
  return [{ rule: 'no question runs unasked', atMs: refused.toMs, ids, told: textOf(refused), truth }];
}

/** A viewer hears of the end in time. */
export function endsInTime({ ask, id = '', viewings }: QueryObservation, facts: TimeFacts): Violation[] {
  const { faults, stalls, patience } = facts;
  return viewings.flatMap(({ ended, failed, fromMs }) => {
    const ids = [`ask ${ask}`, id];
    if (ended === undefined)
      return [{ rule: 'viewers hear the end', atMs: fromMs, ids, told: failed ?? 'nothing', truth: 'it has ended' }];
    const dueMs = Math.max(Date.parse(ended.query.deadlineAt), fromMs);
    const excuses = faults.touching(dueMs - 10_000, ended.atMs, ['api-1', 'nats']);
    const excusedMs = FaultLog.healedMs(excuses) + BOUNDS_MS.caughtUp * patience;
    const boundMs = Math.max(dueMs + BOUNDS_MS.endAfterDeadline * patience, excuses.length > 0 ? excusedMs : 0);
    const lateMs = ended.atMs - stalls.within(dueMs, ended.atMs) - boundMs;
    if (lateMs <= 0) return [];
    const told = `${ended.query.state} ${ended.atMs - dueMs} ms after the deadline`;
    return [{ rule: 'ends are told in time', atMs: ended.atMs, ids, told, truth: `${lateMs} ms later than it may` }];
  });
}

function textOf({ status, code, detail, broke }: Attempt): string {
  return broke ?? `${status}${code === undefined ? '' : ` ${code} (${detail ?? ''})`}`;
}
