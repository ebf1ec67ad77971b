import type { StreamStore } from '@muster/bus';
import { AppError, isQueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { newestOf } from '../http/newest.js';
import type { Principal } from '../http/principal.js';
import { TimedReader } from '../http/timed-reader.js';
import type { StreamItem } from '../http/viewers.js';
import { queryJson } from './query-json.js';
import { maySee } from './query-store.js';

export interface OrgEventsOptions {
  readonly principal: Principal;
  /** The last event that the viewer has seen; `undefined`: only what comes from now on. */
  readonly after: number | undefined;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

const BATCH = 20;
const STREAM_HEARTBEAT_MS = 2_500;

/** Queries of an org that begin and end, until the viewer goes. Who missed some is told the newest state of each. */
export async function* orgQueries(
  { streams, clock }: { readonly streams: StreamStore; readonly clock: Clock },
  { principal, after, signal, heartbeatMs }: OrgEventsOptions,
): AsyncGenerator<StreamItem> {
  const afterSeq = await newestOf(streams, STREAMS.queries.name, after);
  yield began(afterSeq);
  const reading = new AbortController();
  const entries = streams.read(STREAMS.queries.name, {
    subject: STREAM_SUBJECTS.orgQueries(principal.org),
    ...{ fromSeq: afterSeq + 1, follow: true, batch: BATCH, heartbeatMs: STREAM_HEARTBEAT_MS },
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted) return;
      if (next === 'ended' || next === 'lost')
        throw new AppError('broker_unavailable', 'the stream of queries broke off; connect again');
      if (next === 'timeout') {
        yield { kind: 'idle' };
        continue;
      }
      const record = decodeQueryRecord<QueryRecord>(next.data);
      if (!isQueryId(record.id) || !maySee(principal, record)) continue;
      const event = { event: 'query', seq: next.seq, query: queryJson(record) };
      yield { kind: 'event', name: 'query', id: next.seq, pieces: [JSON.stringify(event)] };
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

export function began(seq: number): StreamItem {
  return { kind: 'event', name: 'began', id: seq, pieces: [JSON.stringify({ event: 'began', seq })] };
}
