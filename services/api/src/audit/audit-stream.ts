import type { StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { TimedReader } from '../http/timed-reader.js';
import type { StreamItem } from '../http/viewers.js';
import { matchesAudit, type AuditFilter } from './audit-reader.js';

export interface AuditStreamOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly org: OrgId;
  readonly filter: AuditFilter;
  /** The last record that the reader has. */
  readonly afterSeq: number;
  /** New records too, until the reader goes. */
  readonly follow: boolean;
  readonly lineOf: (seq: number, record: AuditRecord) => object;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

const BATCH = 100;
const STREAM_HEARTBEAT_MS = 2_500;

/** Audit records, oldest first, one line each. */
export async function* auditStream(options: AuditStreamOptions): AsyncGenerator<StreamItem> {
  const { streams, clock, org, filter, afterSeq, follow, lineOf, signal, heartbeatMs } = options;
  const reading = new AbortController();
  const entries = streams.read(STREAMS.audit.name, {
    subject: STREAM_SUBJECTS.audit(org),
    ...{ fromSeq: afterSeq + 1, batch: BATCH, follow, heartbeatMs: STREAM_HEARTBEAT_MS },
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted || (next === 'ended' && !follow)) return;
      if (next === 'ended' || next === 'lost')
        throw new AppError('broker_unavailable', 'the audit stream broke off; connect again');
      if (next === 'timeout') {
        yield { kind: 'idle' };
        continue;
      }
      const record = decodeRecord<AuditRecord>(next.data);
      if (!matchesAudit(record, filter)) continue;
      const pieces = [JSON.stringify(lineOf(next.seq, record))];
      yield { kind: 'event', name: 'record', id: next.seq, pieces, ...(next.pending > 0 ? { hasMore: true } : {}) };
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}
