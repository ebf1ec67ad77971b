import type { AgentCountsJson } from '@muster/api-contract';
import type { StreamEvent } from '../stream/protocol.js';
import { refusalOf } from '../stream/refusal.js';

/** How many endpoints a selector selects: neither while they are being counted. */
export interface LiveCounts {
  readonly counts?: AgentCountsJson;
  /** Why nobody counts them. */
  readonly refusal?: string;
}

/** What is known after an event of a subscription `fleet`. */
export function afterCountsEvent(known: LiveCounts, event: StreamEvent): LiveCounts {
  if (event.event === 'counts') return { counts: event['counts'] as AgentCountsJson };
  const refusal = refusalOf(event);
  return refusal === undefined ? known : { refusal };
}
