import { operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { auditHash, decodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { implement, type LinesAnswer, ndjson, type Operation } from '../http/operation.js';

export interface ChainParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
}

/** The stored audit record, with which a client verifies that nothing in it was changed. */
export function chainOperation({ streams }: ChainParts): Operation {
  return implement(operations.readAuditChain, ({ principal, query, negotiate, signal }): LinesAnswer => {
    if (principal.bound.length > 0) {
      throw new AppError('forbidden', 'the chain holds records of all endpoints, and a selector bounds your token');
    }
    negotiate('application/x-ndjson');
    return ndjson(lines(streams, principal.org, query.after ?? 0, signal));
  });
}

async function* lines(streams: StreamStore, org: OrgId, after: number, signal: AbortSignal): AsyncGenerator<object> {
  const entries = streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(org), fromSeq: after + 1, signal });
  for await (const { seq, data } of entries) {
    yield { seq, hash: auditHash(data), record: decodeRecord<AuditRecord>(data) };
  }
}
