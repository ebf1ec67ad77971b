import type { Ledger } from '@muster/protocol';
import type { LedgerChanges, ResultEvent } from '@muster/records';
import type { FlushScheduler } from './flush-scheduler.js';
import type { ResultAggregator } from '../aggregation/result-aggregator.js';

const RECOVERED_PER_EVENT = 50_000;
/** So many endpoints whose state has changed make an event due: each of them is up to three bytes of it, and an event is one message. */
export const MANY_CHANGES = 100_000;

/**
 * Chooses the next event of a query's result stream: rows first, since they are stored nowhere else, then summaries when they are due.
 * `undefined` when none is. `eventBytes` is an approximate upper bound of one event.
 *
 * The stream is true at every event, wherever it breaks off: who recovered is said before their rows, and each event has the ledger
 * of what is written with it.
 */
export function nextResultEvent(
  aggregator: ResultAggregator,
  scheduler: Pick<FlushScheduler, 'due' | 'groupsDue' | 'takeProgress'>,
  { eventBytes, elapsedMs }: { readonly eventBytes: number; readonly elapsedMs: number },
): ResultEvent | undefined {
  const { ledger, groups, answers } = aggregator;
  const numbers = ledger.failures.takeRecovered(RECOVERED_PER_EVENT);
  if (numbers.length > 0) return { t: 'recovered', numbers, ...stamp(aggregator) };
  const taken = answers.take();
  if (taken !== undefined)
    return { t: 'rows', answers: taken.block, ...(taken.cut ? { cut: true } : {}), ...stamp(aggregator) };
  if (!scheduler.due) return undefined;
  const failures = ledger.failures.takeFailures(eventBytes);
  if (failures.length > 0) return { t: 'failures', failures, ...stamp(aggregator) };
  const warnings = aggregator.warnings.take(eventBytes);
  if (warnings.length > 0) return { t: 'warnings', warnings };
  const isDue = scheduler.groupsDue(groups.changedBytes) || ledger.changes.answered >= MANY_CHANGES;
  const changed = isDue ? groups.takeChanged(eventBytes) : undefined;
  if (changed !== undefined)
    return { t: 'groups', groups: changed, ...(groups.hasChanges ? { more: true } : stamp(aggregator)) };
  if (!scheduler.takeProgress()) return undefined;
  const { polling } = ledger;
  const { working } = aggregator;
  const progress = { ...stamp(aggregator), elapsedMs, gateways: aggregator.gateways };
  return {
    ...{ t: 'progress', ...progress },
    ...(polling === undefined ? {} : { polling }),
    ...(working === undefined ? {} : { working }),
  };
}

/** The ledger of what is written with the event, and whom it counts that no event before it did. */
function stamp(aggregator: ResultAggregator): { readonly ledger: Ledger; readonly changes?: LedgerChanges } {
  const { ledger, groups } = aggregator;
  const changes = ledger.changes.take(!groups.hasChanges);
  return { ledger: aggregator.writtenLedger, ...(changes === undefined ? {} : { changes }) };
}
