import { operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { auditHash, decodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { DrainWriter } from '../http/drain-writer.js';
import { implement, type StreamAnswer, type Operation } from '../http/operation.js';

export interface ChainParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
}

const STALL_MS = 60_000;

/** The stored audit record, with which a client verifies that nothing in it was changed. */
export function chainOperation({ streams, clock }: ChainParts): Operation {
  return implement(operations.readAuditChain, ({ principal, query, negotiate, signal }): StreamAnswer => {
    if (principal.bound.length > 0) {
      throw new AppError('forbidden', 'the chain holds records of all endpoints, and a selector bounds your token');
    }
    negotiate('application/x-ndjson');
    return ndjson(clock, lines(streams, principal.org, query.after ?? 0, signal));
  });
}

/** Sends one JSON value a line, as fast as the caller reads. */
export function ndjson(clock: Clock, values: AsyncIterable<unknown>): StreamAnswer {
  return {
    kind: 'stream',
    status: 200,
    headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
    write: async (response) => {
      const writer = new DrainWriter(response, { clock, stallMs: STALL_MS });
      for await (const value of values) {
        if ((await writer.write(`${JSON.stringify(value)}\n`)) !== 'written') return;
      }
      await writer.flush();
      response.end();
    },
  };
}

async function* lines(streams: StreamStore, org: OrgId, after: number, signal: AbortSignal): AsyncGenerator<object> {
  const entries = streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(org), fromSeq: after + 1, signal });
  for await (const { seq, data } of entries) {
    yield { seq, hash: auditHash(data), record: decodeRecord<AuditRecord>(data) };
  }
}
