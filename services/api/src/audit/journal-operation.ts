import { operations, type AuditedEntryJson } from '@muster/api-contract';
import { entryRecord, replayJournal } from '@muster/audit';
import { AppError, type OrgId } from '@muster/protocol';
import { journalPosition, RequestKeys } from '@muster/records';
import { implement, type LinesAnswer, ndjson, type Operation } from '../http/operation.js';
import { isoTime } from '../http/json-members.js';
import type { ChainParts } from './chain-operation.js';

/** A record follows its entry within seconds, when nothing is down. */
const PENDING_MS = 60_000;

/** What of the command journal must be in the audit record, with which a client finds what is missing there. */
export function auditedJournalOperation({ streams, clock }: ChainParts): Operation {
  return implement(operations.readAuditedJournal, ({ principal, query, negotiate, signal }): LinesAnswer => {
    if (principal.bound.length > 0) {
      throw new AppError('forbidden', 'the journal has commands to all endpoints, and a selector bounds your token');
    }
    negotiate('application/x-ndjson');
    return ndjson(entries({ streams, clock }, principal.org, query.after ?? 0, signal));
  });
}

async function* entries(
  { streams, clock }: ChainParts,
  org: OrgId,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<AuditedEntryJson> {
  const keys = new RequestKeys();
  // From the beginning, because a command is void by what came before it.
  const journal = replayJournal({ streams, org, fromSeq: 1, isVoid: (record) => !keys.take(record), signal });
  let last = after;
  for await (const event of journal) {
    last = Math.max(last, event.seq);
    const record = event.seq > after ? entryRecord(event) : undefined;
    if (record === undefined) continue;
    yield {
      ...{ seq: event.seq, journal: journalPosition(record)?.hash, action: record.action, command: record.subject },
      at: isoTime(record.atMs),
      ...(clock.now() - record.atMs < PENDING_MS ? { pending: true } : {}),
    };
  }
  if (!signal.aborted) yield { seq: last, end: true };
}
