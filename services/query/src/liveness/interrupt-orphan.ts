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
import type { StoredQuery, QueryRecordStore } from '../results/query-record-store.js';
import { readResults } from '../results/read-results.js';

export interface InterruptDeps {
  readonly bus: Bus;
  readonly streams: StreamStore;
  readonly records: Pick<QueryRecordStore, 'store' | 'get'>;
  readonly nowMs: () => number;
}

/**
 * `interrupted`: the end was written here. `repaired`: the results had an end already, only the record was stale.
 * `settled`: another service was faster. `alive`: its coordinator still writes.
 */
export type InterruptResult = 'interrupted' | 'repaired' | 'settled' | 'alive' | 'unavailable';

/**
 * Ends a query whose coordinator is gone, with the results so far. Any number of services may try at once: the end is appended on the
 * condition that nothing was written since the results were read. So exactly one succeeds, and a coordinator that was only frozen finds
 * itself fenced.
 */
export async function interruptOrphan(deps: InterruptDeps, orphan: StoredQuery): Promise<InterruptResult> {
  const { bus, streams, records, nowMs } = deps;
  try {
    const progress = await readProgress(streams, orphan.record);
    if (progress.ended !== undefined) return await settleRecord(deps, progress.ended, orphan.seq, 'repaired');
    const record: QueryRecord = {
      ...orphan.record,
      state: 'interrupted',
      endedAtMs: nowMs(),
      ledger: settled(progress.ledger),
      rows: progress.rows,
    };
    const event: ResultEvent = { t: 'ended', record };
    const appended = await streams.append(STREAM_SUBJECTS.result(record.org, record.id), encodeQueryRecord(event), {
      expectLastSubjectSeq: progress.lastSeq,
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
  const stored = await records.store(record, seq);
  return stored.kind === 'stored' ? done : stored.kind === 'conflict' ? 'settled' : 'unavailable';
}

interface Progress {
  readonly ledger: Ledger;
  readonly rows: number;
  readonly lastSeq: number;
  readonly ended?: QueryRecord;
}

/** What the coordinator had written until it fell silent. */
async function readProgress(streams: StreamStore, query: QueryRecord): Promise<Progress> {
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

/** Endpoints that were still waiting count as timed out, as they do when a coordinator ends a query early. */
function settled(ledger: Ledger): Ledger {
  return { ...ledger, waiting: 0, timed_out: ledger.timed_out + ledger.waiting };
}
