import { isTerminal } from '@muster/protocol';
import {
  ChainVerifier,
  CommandFold,
  decodeJournalEntry,
  decodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type AuditRecord,
} from '@muster/records';
import type { NatsServer } from '../brokers/nats-server.js';
import { ORG } from '../nodes/identities.js';

/** The promises of the audit, judged from what NATS keeps at the end. */
export const AUDIT_PROPERTIES = {
  'what is in the journal is in the audit, once': (nats: NatsServer) => {
    const records = new Map<unknown, number>();
    for (const { details } of audit(nats)) {
      const seq = details?.['seq'];
      if (seq !== undefined) records.set(seq, (records.get(seq) ?? 0) + 1);
    }
    for (const [seq, count] of records) if (count > 1) return `entry ${String(seq)} has ${count} records`;
    const missing = decisions(nats).filter(({ seq }) => !records.has(seq));
    return missing.length > 0
      ? `it lacks ${missing.map(({ seq, what }) => `entry ${seq} (${what})`).join(', ')}`
      : undefined;
  },

  'the chain of the audit holds': (nats: NatsServer) => {
    const chain = new ChainVerifier();
    let seq = 0;
    for (const record of audit(nats)) {
      const [fault] = chain.next({ seq: (seq += 1), record });
      if (fault !== undefined) return fault.message;
    }
    return undefined;
  },
} as const satisfies Record<string, (nats: NatsServer) => string | undefined>;

function audit(nats: NatsServer): AuditRecord[] {
  const subject = STREAM_SUBJECTS.audit(ORG);
  const kept = nats.store.stream(STREAMS.audit.name).entries.filter((entry) => entry.subject === subject);
  return kept.map(({ data }) => decodeRecord<AuditRecord>(data));
}

interface Decision {
  readonly seq: number;
  readonly what: string;
}

/**
 * The entries that decided something: submissions, approvals, and those after which more targets have ended. Of
 * repeated keys the first counts.
 */
function decisions(nats: NatsServer): Decision[] {
  const folds = new Map<string, CommandFold>();
  const keys = new Set<string>();
  const found: Decision[] = [];
  for (const { seq, subject, data } of nats.store.stream(STREAMS.commands.name).entries) {
    const entry = decodeJournalEntry(data);
    let fold = folds.get(subject);
    if (entry.t === 'submitted' && fold === undefined) {
      const { requestKey } = entry.record;
      if (requestKey !== undefined && keys.has(requestKey)) continue;
      if (requestKey !== undefined) keys.add(requestKey);
      folds.set(subject, (fold = new CommandFold(entry.record)));
      found.push({ seq, what: entry.t });
    }
    if (fold === undefined) continue;
    const before = ended(fold);
    const { signed } = fold.apply(entry);
    const isApproval = signed && entry.t === 'signed';
    if (isApproval || ended(fold) > before) found.push({ seq, what: entry.t });
  }
  return found;
}

const ended = (fold: CommandFold): number => fold.nums.filter((_, index) => isTerminal(fold.state(index + 1))).length;
