import { StreamError, type Bus, type StreamStore } from '@muster/bus';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import type { Ledger } from '@muster/protocol';
import {
  encodeQueryRecord,
  KeptResult,
  STREAM_SUBJECTS,
  STREAMS,
  type Failure,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';
import type { Tracer } from '@muster/runtime';
import { readResults } from './read-results.js';
import { storeQueryRecord, type StoredQuery } from './stored-query.js';

/** Code and message of an endpoint that had not answered when the coordinator of its query was gone. */
export const INTERRUPTED = { code: 'interrupted', message: 'the query service stopped before it answered' } as const;

/** Well below what one message may carry. */
const FAILURES_PER_EVENT = 2_000;

export interface InterruptDeps {
  readonly bus: Bus;
  readonly streams: StreamStore;
  readonly nowMs: () => number;
  readonly tracer: Tracer;
}

/**
 * `interrupted`: the end was written here. `repaired`: the results had an end already, only the record was stale.
 * `settled`: another service was faster. `alive`: its coordinator still writes.
 * `resumed`: a hunt goes on here.
 */
export type InterruptResult = 'interrupted' | 'resumed' | 'repaired' | 'settled' | 'alive' | 'unavailable';

/**
 * Ends a query whose coordinator is gone, with the results so far. Any number of services may try at once: the end is appended on the
 * condition that nothing was written since the results were read. So exactly one succeeds, and a coordinator that was only frozen finds
 * itself fenced.
 */
export async function interruptOrphan(deps: InterruptDeps, orphan: StoredQuery): Promise<InterruptResult> {
  const { bus, streams, tracer, nowMs } = deps;
  const startedAtMs = nowMs();
  try {
    const kept = await readKept(streams, orphan.record);
    if (kept.result.ended !== undefined) return await settleRecord(deps, kept.result.ended, orphan.seq, 'repaired');
    const end = await appendEnd(deps, orphan.record, kept);
    if (end === 'unavailable') return end;
    if (end === 'conflict') {
      const { org, id } = orphan.record;
      const now = await streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(org, id));
      return now?.seq === orphan.seq ? 'alive' : 'settled';
    }
    bus.publish(SUBJECTS.gateways, encodeBusMessage({ t: 'query_stop', id: end.id, reason: 'interrupted' }));
    const attributes = { 'muster.query.id': end.id, 'muster.query.targeted': end.ledger.targeted };
    tracer.part('query interrupt', end.traceparent, { startedAtMs, attributes }).end();
    return await settleRecord(deps, end, orphan.seq, 'interrupted');
  } catch (error) {
    if (error instanceof StreamError) return 'unavailable';
    throw error;
  }
}

async function settleRecord(
  { streams }: InterruptDeps,
  record: QueryRecord,
  seq: number,
  done: 'interrupted' | 'repaired',
): Promise<InterruptResult> {
  const stored = await storeQueryRecord(streams, record, seq);
  return stored.kind === 'stored' ? done : stored.kind === 'conflict' ? 'settled' : 'unavailable';
}

interface Kept {
  readonly result: KeptResult;
  readonly lastSeq: number;
}

/** What the coordinator had written until it fell silent. */
async function readKept(streams: StreamStore, query: QueryRecord): Promise<Kept> {
  const result = new KeptResult(query);
  let lastSeq = 0;
  for await (const { seq, event } of readResults(streams, query)) {
    lastSeq = seq;
    result.apply(event);
  }
  return { result, lastSeq };
}

/** Appends what is missing and the end, each on the condition that nobody else has written since. Returns the last record. */
async function appendEnd(
  { streams, nowMs }: InterruptDeps,
  query: QueryRecord,
  { result, lastSeq }: Kept,
): Promise<QueryRecord | 'conflict' | 'unavailable'> {
  let expected = lastSeq;
  const append = async (event: ResultEvent) => {
    const appended = await streams.append(STREAM_SUBJECTS.result(query.org, query.id), encodeQueryRecord(event), {
      expectLastSubjectSeq: expected,
      essential: true,
    });
    if (appended.kind === 'appended') expected = appended.seq;
    return appended.kind;
  };
  for (const event of missingEvents(result)) {
    result.apply(event);
    const appended = await append(event);
    if (appended !== 'appended') return appended;
  }
  const record: QueryRecord = {
    ...query,
    state: 'interrupted',
    endedAtMs: nowMs(),
    ledger: settled(result.ledger),
    rows: result.rows,
    ...(result.cut ? { truncated: 'the last answer was cut off when the query service stopped' } : {}),
  };
  const appended = await append({ t: 'ended', record });
  return appended === 'appended' ? record : appended;
}

/** What the stream does not say yet: whose failure is none any more, and who was waited for in vain. */
function* missingEvents(result: KeptResult): Generator<ResultEvent> {
  const numbers = result.answeredFailures;
  if (numbers.length > 0) yield { t: 'recovered', numbers };
  const { code, message } = INTERRUPTED;
  const failures = result.waiting.map((num): Failure => [num, 'timed_out', code, message]);
  for (let from = 0; from < failures.length; from += FAILURES_PER_EVENT)
    yield { t: 'failures', failures: failures.slice(from, from + FAILURES_PER_EVENT) };
}

/** An older coordinator did not write whom it waited for: they count as timed out without a failure of their own. */
function settled(ledger: Ledger): Ledger {
  return { ...ledger, waiting: 0, timed_out: ledger.timed_out + ledger.waiting };
}
