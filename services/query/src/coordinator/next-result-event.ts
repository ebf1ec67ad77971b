import type { ResultEvent } from '@muster/records';
import type { FlushScheduler } from './flush-scheduler.js';
import type { ResultAggregator } from '../aggregation/result-aggregator.js';

const RECOVERED_PER_EVENT = 50_000;

/**
 * Chooses the next event of a query's result stream: rows first, since they are stored nowhere else, then summaries when they are due.
 * `undefined` when none is. `eventBytes` is an approximate upper bound of one event.
 */
export function nextResultEvent(
  aggregator: ResultAggregator,
  scheduler: FlushScheduler,
  { eventBytes, elapsedMs }: { readonly eventBytes: number; readonly elapsedMs: number },
): ResultEvent | undefined {
  const { ledger, groups, answers } = aggregator;
  const block = answers.take();
  if (block !== undefined) return { t: 'rows', answers: block };
  if (!scheduler.due) return undefined;
  const numbers = ledger.failures.takeRecovered(RECOVERED_PER_EVENT);
  if (numbers.length > 0) return { t: 'recovered', numbers };
  const failures = ledger.failures.takeFailures(eventBytes);
  if (failures.length > 0) return { t: 'failures', failures };
  const changed = scheduler.groupsDue(groups.changedBytes) ? groups.takeChanged(eventBytes) : undefined;
  if (changed !== undefined) return { t: 'groups', groups: changed };
  if (!scheduler.takeProgress()) return undefined;
  const progress = { ledger: ledger.snapshot(), elapsedMs, gateways: aggregator.gateways };
  const { polling } = ledger;
  return { t: 'progress', ...progress, ...(polling === undefined ? {} : { polling }) };
}
