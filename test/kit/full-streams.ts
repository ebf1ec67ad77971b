import type { Broker } from '@muster/bus';
import { EMPTY_LEDGER, newCommandId, newQueryId, type AgentId, type CoordinatorId, type OrgId } from '@muster/protocol';
import {
  encodeJournalEntry,
  encodeNumberSet,
  encodeQueryRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type CommandRecord,
  type QueryRecord,
} from '@muster/records';
import { eventually } from '@muster/runtime/testing';

export interface StreamSizes {
  readonly identities: number;
  readonly queries: number;
  readonly commands: number;
}

const ORG = 'default' as OrgId;
/** The longest question that is usual: a view of these has 16 MB in a thousand records. */
const SQL = `SELECT '${'x'.repeat(16_000)}' AS a`;
const EVENTS_PER_QUERY = 5;
const SITES = 50;
const ROWS = new Uint8Array(2_000);
/** So many messages go out before the server is asked whether it has read them. */
const BATCH = 1_000;
const STORED_WITHIN_MS = 60_000;

/** What a deployment of some years has stored. Resolves when the broker has all of it. */
export async function fillStreams({ bus, streams }: Broker, sizes: StreamSizes): Promise<void> {
  await streams.ensure(Object.values(STREAMS));
  const nowMs = Date.now();
  const counts = { identities: 0, queries: 0, results: 0, commands: 0 };
  const newest = { identities: '', queries: '', results: '', commands: '' };
  let sent = 0;
  // Without waiting for acknowledgements, which would take minutes; the counts are compared at the end.
  const append = async (stream: keyof typeof counts, subject: string, data: Uint8Array): Promise<void> => {
    if (bus.publish(subject, data) !== 'sent') throw new Error('the broker does not keep up');
    counts[stream] += 1;
    newest[stream] = subject;
    sent += 1;
    if (sent % BATCH === 0) await bus.flush(STORED_WITHIN_MS);
  };
  const identityOf = identities(nowMs);
  for (let i = 0; i < sizes.identities; i += 1) {
    const { agentId, enrolled } = identityOf(i);
    const num = counts.identities + 1;
    await append('identities', STREAM_SUBJECTS.enrolled(ORG, agentId), enrolled);
    await append('identities', STREAM_SUBJECTS.firstSession(ORG, agentId), encodeRecord({ num, atMs: nowMs }));
  }
  const rows = encodeQueryRecord({ t: 'rows', answers: ROWS });
  for (let i = 0; i < sizes.queries; i += 1) {
    const record = queryRecord(nowMs - sizes.queries + i);
    await append('queries', STREAM_SUBJECTS.query(ORG, record.id), encodeQueryRecord(record));
    for (let n = 0; n < EVENTS_PER_QUERY; n += 1) await append('results', STREAM_SUBJECTS.result(ORG, record.id), rows);
  }
  for (let i = 0; i < sizes.commands; i += 1) {
    const { subject, entries } = endedCommand(i, nowMs - sizes.commands + i);
    for (const entry of entries) await append('commands', subject, encodeJournalEntry(entry));
  }
  for (const stream of ['identities', 'queries', 'results', 'commands'] as const) {
    const stored = async (): Promise<number> => (await streams.last(STREAMS[stream].name, newest[stream]))?.seq ?? 0;
    await eventually(async () => (await stored()) === counts[stream], `all of ${stream} is stored`, STORED_WITHIN_MS);
  }
}

/** As many identities take seconds to encode, so one is encoded, and each gets its own names by bytes of the same length. */
function identities(nowMs: number): (i: number) => { readonly agentId: AgentId; readonly enrolled: Uint8Array } {
  const names = (i: number) => ({ agentId: `a${digits(i, 23)}` as AgentId, host: `host-${digits(i, 6)}` });
  const system = { os: 'linux', arch: 'x64', osName: 'Debian', osVersion: '12', agentVersion: '1.0.0' } as const;
  const encode = ({ agentId, host }: ReturnType<typeof names>, i: number): Uint8Array =>
    encodeRecord({
      ...{ agentId, org: ORG, publicKey: 'k'.repeat(43), enrolledAtMs: nowMs, from: '192.0.2.1', secret: 'image' },
      facts: { ...system, host },
      labels: { env: i % 2 === 0 ? 'prod' : 'staging', site: `s${i}` },
    });
  const templates = Array.from({ length: SITES }, (_, site) => Buffer.from(encode(names(0), site)));
  return (i) => {
    const { agentId, host } = names(i);
    const enrolled = Buffer.from(templates[i % SITES] ?? []);
    enrolled.write(agentId, enrolled.indexOf(names(0).agentId));
    enrolled.write(host, enrolled.indexOf(names(0).host));
    return { agentId, enrolled };
  };
}

function digits(i: number, length: number): string {
  return String(i).padStart(length, '0');
}

function queryRecord(atMs: number): QueryRecord {
  return {
    ...{ id: newQueryId(atMs), org: ORG, operator: 'o', operatorName: 'o', selector: '', scope: '', sql: SQL },
    ...{ columns: ['a'], rows: 0, offline: 0, timeoutMs: 1_000, owner: 'q' as CoordinatorId, ledger: EMPTY_LEDGER },
    ...{ createdAtMs: atMs, deadlineMs: atMs, endedAtMs: atMs },
    mode: 'raw',
    state: 'complete',
  };
}

function endedCommand(i: number, nowMs: number) {
  const id = newCommandId(nowMs);
  const targets = encodeNumberSet([1]);
  const record: CommandRecord = {
    ...{ id, org: ORG, action: 'process.kill', params: { pid: i }, dryRun: false, target: '1 endpoint' },
    ...{ targets: { sets: [targets] }, operator: { id: 'o', name: 'o', role: 'admin' }, submittedAtMs: nowMs },
    ...{ expiresAtMs: nowMs + 3_600_000, timeoutMs: 60_000 },
  };
  const signature = { jws: 'x'.repeat(600), keys: '' };
  const changes = [{ state: 'succeeded', targets, code: '', message: '' }] as const;
  return {
    subject: STREAM_SUBJECTS.command(ORG, id),
    entries: [
      { t: 'submitted', atMs: nowMs, record, signature, released: 1, sent: targets },
      { t: 'states', atMs: nowMs, changes },
    ] as const,
  };
}
