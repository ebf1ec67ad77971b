import type { QueryStart } from '@muster/messages';
import { DEFAULT_BUDGET, type Budget } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';

/** What endpoints need besides the statement: the values, without those of the reduce statement alone, or the pack of a scan. */
export function askedParameters({
  parameters = [],
  askedParameters: names,
  pack,
}: QueryRecord): Pick<QueryStart, 'parameters' | 'pack'> {
  if (pack !== undefined) return { pack };
  const asked = names === undefined ? parameters : parameters.filter(({ name }) => names.includes(name));
  return asked.length === 0 ? {} : { parameters: asked };
}

/** A scan runs many statements at low priority, so it may take longer than one query, but not longer than its caller waits. */
const SCAN_BUDGET_MS = 60_000;

/** What one endpoint may spend. */
export function budgetOf({ pack, timeoutMs, budget }: QueryRecord): Budget {
  if (pack !== undefined) return { ...DEFAULT_BUDGET, ms: Math.min(SCAN_BUDGET_MS, timeoutMs) };
  if (budget === undefined) return DEFAULT_BUDGET;
  return { ...DEFAULT_BUDGET, ms: budget.ms, ...(budget.priority === 'low' ? { priority: 'low' } : {}) };
}
