import { StreamError, type Bus, type StreamStore } from '@muster/bus';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import { countRows, EMPTY_LEDGER, type Ledger } from '@muster/protocol';
import {
  encodeQueryRecord,
  STREAM_SUBJECTS,
  readAnswerBlock,
  readGroupBlock,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';
import type { KeptQuery, QueryRecords } from '../records/query-records.js';
import { readResults } from '../results/read-results.js';

export interface InterruptDeps {
  readonly bus: Bus;
  readonly streams: StreamStore;
  readonly records: Pick<QueryRecords, 'keep' | 'get'>;
  readonly nowMs: () => number;
}

/**
 * `interrupted`: we wrote its end. `repaired`: its end was in the results already, and only the record was behind.
 * `settled`: somebody else was faster. `alive`: its owner writes.
 */
export type InterruptResult = 'interrupted' | 'repaired' | 'settled' | 'alive' | 'unavailable';

/**
 * Ends a query whose owner is gone, with what was gathered. Any number of survivors may try at once: the end is appended on the
 * condition that nothing was written since we looked, so exactly one of them does it, and an owner that was only frozen
 * finds itself fenced.
 */
export async function interruptOrphan(deps: InterruptDeps, orphan: KeptQuery): Promise<InterruptResult> {
  const { bus, streams, records, nowMs } = deps;
  try {
    const gathered = await gatheredBy(streams, orphan.record);
    if (gathered.ended !== undefined) return await settleRecord(deps, gathered.ended, orphan.seq, 'repaired');
    const record: QueryRecord = {
      ...orphan.record,
      state: 'interrupted',
      endedAtMs: nowMs(),
      ledger: settled(gathered.ledger),
      rows: gathered.rows,
    };
    const event: ResultEvent = { t: 'ended', record };
    const appended = await streams.append(STREAM_SUBJECTS.result(record.org, record.id), encodeQueryRecord(event), {
      expectLastSubjectSeq: gathered.lastSeq,
    });
    if (appended.kind === 'unavailable') return 'unavailable';
    if (appended.kind === 'conflict') {
      const now = await records.get(record.org, record.id);
      return now?.record.state === 'running' ? 'alive' : 'settled';
    }
    bus.publish(SUBJECTS.gateways, encodeBusMessage({ t: 'query_stop', id: record.id, reason: 'interrupted' }));
    return await settleRecord(deps, record, orphan.seq, 'interrupted');
  } catch (error) {
    if (error instanceof StreamError) return 'unavailable';
    throw error;
  }
}

async function settleRecord(
  { records }: InterruptDeps,
  record: QueryRecord,
  seq: number,
  done: 'interrupted' | 'repaired',
): Promise<InterruptResult> {
  const kept = await records.keep(record, seq);
  return kept.kind === 'kept' ? done : kept.kind === 'conflict' ? 'settled' : 'unavailable';
}

interface Gathered {
  readonly ledger: Ledger;
  readonly rows: number;
  readonly lastSeq: number;
  readonly ended?: QueryRecord;
}

/** What the owner had written until it fell silent. */
async function gatheredBy(streams: StreamStore, query: QueryRecord): Promise<Gathered> {
  let ledger = EMPTY_LEDGER;
  let rows = 0;
  let lastSeq = 0;
  for await (const { seq, event } of readResults(streams, query)) {
    lastSeq = seq;
    switch (event.t) {
      case 'progress':
        ledger = event.ledger;
        break;
      case 'rows':
        for (const answer of readAnswerBlock(event.answers))
          rows += Math.max(countRows(answer.rows, query.columns.length), 0);
        break;
      case 'groups':
        for (const group of readGroupBlock(event.groups)) rows = Math.max(rows, group.index + 1);
        break;
      case 'ended':
        return { ledger, rows, lastSeq, ended: event.record };
      case 'started':
      case 'failures':
      case 'recovered':
      case 'reduced':
    }
  }
  return { ledger, rows, lastSeq };
}

/** Nobody will be waited for any more: those that were count as timed out, as they do when an owner itself ends a query early. */
function settled(ledger: Ledger): Ledger {
  return { ...ledger, waiting: 0, timed_out: ledger.timed_out + ledger.waiting };
}
