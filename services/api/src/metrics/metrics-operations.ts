import { EVENT_TYPES, operations } from '@muster/api-contract';
import type { Clock } from '@muster/runtime';
import { findAgent, type SelectionParts } from '../agents/agent-selection.js';
import { implement, type Operation } from '../http/operation.js';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { metricsEvents } from './metrics-events.js';
import { ColumnScratch } from './past-columns.js';
import type { WatchHub } from './watch-hub.js';

export interface MetricsParts extends SelectionParts {
  readonly hub: Pick<WatchHub, 'watch'>;
  readonly clock: Clock;
  readonly viewers: Viewers;
}

/** Metrics of endpoints. */
export function metricsOperations(parts: MetricsParts): Operation[] {
  return [streamOperation(parts)];
}

function streamOperation(parts: MetricsParts): Operation {
  const { hub, clock, viewers, presence } = parts;
  const scratch = new ColumnScratch();
  return implement(operations.streamAgentMetrics, async ({ principal, params, query, header, negotiate, note }) => {
    const type = negotiate(...Object.values(EVENT_TYPES));
    const afterMs = lastSeen(header('last-event-id'), undefined);
    const { agentId } = await findAgent(parts, principal, params.id);
    note({ subject: agentId });
    const shown = {
      hub,
      clock,
      agentId,
      afterMs,
      pastMs: query.past,
      minutesMs: query.minutes,
      layout: query.layout,
      scratch,
    };
    const isAway = async (): Promise<boolean | undefined> => {
      const known = await presence.of([agentId]);
      return known === undefined ? undefined : known.get(agentId)?.session === undefined;
    };
    return viewers.answer({
      principal,
      format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
      subject: agentId,
      events: (signal, heartbeatMs) => metricsEvents({ ...shown, isAway, signal, heartbeatMs }),
    });
  });
}
