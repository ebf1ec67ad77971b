import { isDeepStrictEqual } from 'node:util';
import type { QueryJson } from '@muster/api-contract';
import type { QueryObservation } from '../record/observations.js';
import type { Violation } from './violation.js';

const ASK = /(\d+) AS ask/;
/** Clocks of one machine, and the way to the query service. */
const SLACK_MS = 2_000;

/** `mixed`: APIs of two versions have answered. What only one of them knows of a query, it alone shows. */
type Versions = 'one' | 'mixed';

/** What is kept of a query does not change after it was read once. */
export function keptStays(
  before: ReadonlyMap<string, QueryJson>,
  now: readonly QueryJson[],
  versions: Versions = 'one',
): Violation[] {
  return now.flatMap((query) => {
    const first = before.get(query.id);
    if (first === undefined) return [];
    const [a, b] = versions === 'mixed' ? [membersOf(first, query), membersOf(query, first)] : [first, query];
    if (isDeepStrictEqual(a, b)) return [];
    const [told, truth] = [JSON.stringify(first), `later it is ${JSON.stringify(query)}`];
    return [{ rule: 'kept stays', atMs: Date.parse(query.endedAt ?? query.createdAt), ids: [query.id], told, truth }];
  });
}

/** The members of a query that the other has too. */
function membersOf(query: QueryJson, other: QueryJson): object {
  return Object.fromEntries(Object.entries(query).filter(([name]) => name in other));
}

/**
 * Each question runs once, and only while its caller waits for it. One that was interrupted before its caller heard of
 * it is begun anew under the same key.
 */
export function questionsRunForSomebody(
  observations: readonly QueryObservation[],
  kept: readonly QueryJson[],
): Violation[] {
  const byAsk = new Map(observations.map((observation) => [observation.ask, observation]));
  const seen = new Map<number, QueryJson>();
  const violations: Violation[] = [];
  for (const query of kept) {
    const { id, sql, createdAt, state } = query;
    const observation = byAsk.get(Number(ASK.exec(sql)?.[1]));
    if (observation === undefined) continue;
    const { ask, attempts } = observation;
    const atMs = Date.parse(createdAt);
    const other = seen.get(ask);
    seen.set(ask, query);
    const told = `asked ${attempts.length} times with one key`;
    const earlier = other !== undefined && other.createdAt < createdAt ? other : query;
    if (other !== undefined && earlier.state !== 'interrupted')
      violations.push({
        rule: 'a question runs once',
        atMs,
        ids: [`ask ${ask}`, other.id, id],
        told,
        truth: 'two are kept',
      });
    const isWaitedFor = attempts.some(({ fromMs, toMs }) => fromMs - SLACK_MS <= atMs && atMs <= toMs + SLACK_MS);
    if (!isWaitedFor)
      violations.push({
        ...{ rule: 'no question runs unasked', atMs, ids: [`ask ${ask}`, id], told },
        truth: `it began when no request was under way, and is ${state}`,
      });
  }
  return violations;
}
