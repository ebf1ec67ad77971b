import { decodePosture, decodeQueryRecord, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { QueryRecord, ResultEvent, ScanRecord, ScheduleRecord } from '@muster/records';
import { ledgerBalances } from '@muster/protocol';
import type { NatsServer } from '../brokers/nats-server.js';
import { ledgerText } from '../nodes/caller.js';
import type { Endpoint } from '../nodes/endpoint.js';
import { ORG } from '../nodes/identities.js';
import type { FaultLog } from './fault-log.js';
import { KeptStates } from './kept-states.js';

interface ScanFacts {
  readonly endpoints: readonly Endpoint[];
  readonly nats: NatsServer;
  readonly faults: FaultLog;
  readonly nowMs: number;
}

/** So long after its moment a scan has been started when nothing fails, and what somebody else left lying is taken over. */
const STARTED_WITHIN_MS = 5_000;
const TAKEN_OVER_MS = 30_000;

/** The promises of schedules, judged from what NATS keeps. */
export const SCHEDULE_PROPERTIES = {
  'a moment of a schedule makes one scan at most': ({ firings, claim }: ScheduleRecord, { nats }: ScanFacts) => {
    const moments = firings.map(({ dueMs }) => dueMs);
    if (new Set(moments).size < moments.length) return `a moment is told twice: ${moments.join(', ')}`;
    // All schedules are of one pack: a scan that none of them knows was made beside one that it does know.
    const known = new Set(allSchedules(nats).flatMap((each) => [each.claim?.scan, ...each.firings.map((f) => f.scan)]));
    const unknown = scansOf(nats).filter(({ id }) => !known.has(id));
    return unknown.length > 0 && claim === undefined
      ? `${unknown.map(({ id }) => id).join(', ')} run, and no schedule says so`
      : undefined;
  },

  'a moment that is told as started has a scan': ({ firings }: ScheduleRecord, { nats }: ScanFacts) => {
    const scans = new Set<unknown>(scansOf(nats).map(({ id }) => id));
    const missing = firings.filter(({ result, scan }) => result === 'started' && !scans.has(scan));
    return missing.length > 0 ? `there is no ${missing.map(({ scan }) => scan).join(', ')}` : undefined;
  },

  'no moment is left unsaid': ({ next, claim, firings }: ScheduleRecord, { nowMs }: ScanFacts) => {
    const failed = firings.find(({ result }) => result === 'failed');
    if (failed !== undefined) return `one failed: ${failed.message}`;
    if (next === undefined || next.atMs < nowMs - STARTED_WITHIN_MS) return `nobody starts that of ${next?.atMs}`;
    const isForgotten = claim !== undefined && claim.atMs < nowMs - TAKEN_OVER_MS;
    return isForgotten ? `nobody says what became of ${claim.scan}` : undefined;
  },
} as const satisfies Record<string, (schedule: ScheduleRecord, facts: ScanFacts) => string | undefined>;

/** The promises of scans: what is kept of one is what endpoints said. */
export const SCAN_PROPERTIES = {
  'a scan ends, complete or interrupted': ({ state }: QueryRecord) =>
    state === 'running' ? 'it has no end' : undefined,

  'what a scan found is kept, as it ended': (scan: QueryRecord, { nats }: ScanFacts) => {
    if (scan.state === 'running') return undefined;
    const kept = keptScan(nats, scan);
    if (kept === undefined) return 'nothing is kept';
    if (!ledgerBalances(kept.ledger)) return `its ledger does not balance: ${ledgerText(kept.ledger)}`;
    const text = ({ state, ledger }: Pick<QueryRecord, 'state' | 'ledger'>): string =>
      `${state}, ${ledgerText(ledger)}`;
    return text(kept) === text(scan) ? undefined : `kept: ${text(kept)}; ended: ${text(scan)}`;
  },

  'a scan counts what endpoints said, each once': (scan: QueryRecord, { nats, endpoints }: ScanFacts) => {
    const kept = scan.state === 'running' ? undefined : keptScan(nats, scan);
    if (kept === undefined) return undefined;
    const states = statesOf(nats, scan);
    const counts = { pass: 0, fail: 0 };
    for (const { identity, manner, answered } of endpoints) {
      if (states.states.get(identity.num) !== 'answered') continue;
      if (!answered.has(scan.id)) return `e${identity.num} is told as answered, and was silent`;
      counts[manner === 'rows' ? 'fail' : 'pass'] += 1;
    }
    const [check] = kept.checks;
    const isSame = check?.pass === counts.pass && check.fail === counts.fail && check.uncounted === 0;
    return isSame ? undefined : `it says ${JSON.stringify(check)}, and endpoints said ${JSON.stringify(counts)}`;
  },
} as const satisfies Record<string, (scan: QueryRecord, facts: ScanFacts) => string | undefined>;

export function allSchedules(nats: NatsServer): ScheduleRecord[] {
  return nats.store.stream(STREAMS.posture.name).entries.map(({ data }) => decodePosture<ScheduleRecord>(data));
}

/** The last record of each query that is a scan. */
export function scansOf(nats: NatsServer): QueryRecord[] {
  const last = new Map<string, QueryRecord>();
  for (const { data } of nats.store.stream(STREAMS.queries.name).entries) {
    const record = decodeQueryRecord<QueryRecord>(data);
    if (record.pack !== undefined) last.set(record.id, record);
  }
  return [...last.values()];
}

function keptScan(nats: NatsServer, { id }: QueryRecord): ScanRecord | undefined {
  const subject = STREAM_SUBJECTS.scan(ORG, id);
  const entry = nats.store.stream(STREAMS.scans.name).entries.findLast((each) => each.subject === subject);
  return entry && decodePosture<ScanRecord>(entry.data);
}

function statesOf(nats: NatsServer, { id }: QueryRecord): KeptStates {
  const subject = STREAM_SUBJECTS.result(ORG, id);
  const kept = new KeptStates();
  for (const entry of nats.store.stream(STREAMS.results.name).entries)
    if (entry.subject === subject) kept.apply(decodeQueryRecord<ResultEvent>(entry.data));
  return kept;
}
