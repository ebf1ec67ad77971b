import type { StreamStore } from '@muster/bus';
import { AppError } from '@muster/protocol';
import type { Failure, QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { Principal } from '../http/principal.js';
import { queryEvents } from '../queries/query-events.js';
import type { QueryClient } from '../upstream/query-client.js';
import type { QueryStore } from '../queries/query-store.js';
import { TrafficAggregator, TRAFFIC_SQL } from './traffic-aggregator.js';

export interface SurveyParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly client: Pick<QueryClient, 'start' | 'cancel'>;
  readonly store: Pick<QueryStore, 'read'>;
}

export interface Survey {
  /** The query as it ended. */
  readonly record: QueryRecord;
  readonly traffic: TrafficAggregator;
  /** The endpoints that did not answer, sorted by number. */
  readonly failures: readonly Failure[];
}

/** How often the wait for events is interrupted. No client reads these heartbeats. */
const LOOK_MS = 1_000;

/**
 * Runs a query for the byte counts of endpoints, and waits for its end. Cancels the query when the caller disconnects.
 * Throws what starting a query throws.
 */
export async function surveyEndpoints(
  parts: SurveyParts,
  principal: Principal,
  options: {
    readonly selector: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly started: (record: QueryRecord) => void;
  },
): Promise<Survey> {
  const { client, store } = parts;
  const { selector, timeoutMs, signal } = options;
  const record = await client.start({
    t: 'start',
    org: principal.org,
    operator: principal.id,
    operatorName: principal.name,
    sql: TRAFFIC_SQL,
    selector,
    bound: principal.selector ?? '',
    mode: 'raw',
    timeoutMs,
  });
  options.started(record);
  const traffic = new TrafficAggregator();
  const failures = new Map<number, Failure>();
  const events = queryEvents(record, {
    ...parts,
    readRecord: () => store.read(record.org, record.id),
    afterSeq: 0,
    signal,
    heartbeatMs: LOOK_MS,
  });
  for await (const item of events) {
    if (item.kind === 'synthesized_end') return surveyOf(item.record, traffic, failures);
    if (item.kind === 'idle') continue;
    const { event } = item;
    if (event.t === 'rows') traffic.take(event.answers);
    if (event.t === 'failures') for (const failure of event.failures) failures.set(failure[0], failure);
    if (event.t === 'recovered') for (const num of event.numbers) failures.delete(num);
    if (event.t === 'ended') return surveyOf(event.record, traffic, failures);
  }
  // The events end early only when the caller has disconnected. They get no answer.
  await client.cancel(record, principal.name).catch(() => undefined);
  throw new AppError('timeout', 'the caller went away before the endpoints had answered');
}

function surveyOf(record: QueryRecord, traffic: TrafficAggregator, failures: ReadonlyMap<number, Failure>): Survey {
  return { record, traffic, failures: [...failures.values()].toSorted((a, b) => a[0] - b[0]) };
}
