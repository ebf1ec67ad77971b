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

type Filled = 'identities' | 'queries' | 'results' | 'commands';
type Stored = readonly [subject: string, data: Uint8Array];

/** What a deployment of some years has stored. Resolves when the broker has all of it. */
export async function fillStreams({ bus, streams }: Broker, sizes: StreamSizes): Promise<void> {
  await streams.ensure(Object.values(STREAMS));
  const nowMs = Date.now();
  const queries = Array.from({ length: sizes.queries }, (_, i) => queryRecord(nowMs - sizes.queries + i));
  const filled: Readonly<Record<Filled, Iterable<Stored>>> = {
    identities: identityEntries(sizes.identities, nowMs),
    queries: queryEntries(queries),
    results: resultEntries(queries),
    commands: commandEntries(sizes.commands, nowMs),
  };
  for (const stream of Object.keys(filled) as Filled[]) {
    const { count, newest } = await publishAll(bus, filled[stream]);
    const stored = async (): Promise<number> => (await streams.last(STREAMS[stream].name, newest))?.seq ?? 0;
    await eventually(async () => (await stored()) === count, `all of ${stream} is stored`, STORED_WITHIN_MS);
  }
}

/**
 * Without waiting for acknowledgements, which would take minutes; the counts are compared at the end. And without a
 * turn of the event loop between them, because the client would write each to its socket alone.
 */
async function publishAll(bus: Broker['bus'], entries: Iterable<Stored>): Promise<{ count: number; newest: string }> {
  let count = 0;
  let newest = '';
  for (const [subject, data] of entries) {
    if (bus.publish(subject, data) !== 'sent') throw new Error('the broker does not keep up');
    count += 1;
    newest = subject;
    if (count % BATCH === 0) await bus.flush(STORED_WITHIN_MS);
  }
  return { count, newest };
}

function* identityEntries(count: number, nowMs: number): Generator<Stored> {
  const identityOf = identities(nowMs);
  for (let i = 0; i < count; i += 1) {
    const { agentId, enrolled } = identityOf(i);
    yield [STREAM_SUBJECTS.enrolled(ORG, agentId), enrolled];
    yield [STREAM_SUBJECTS.firstSession(ORG, agentId), encodeRecord({ num: 2 * i + 1, atMs: nowMs })];
  }
}

function* queryEntries(queries: readonly QueryRecord[]): Generator<Stored> {
  for (const record of queries) yield [STREAM_SUBJECTS.query(ORG, record.id), encodeQueryRecord(record)];
}

function* resultEntries(queries: readonly QueryRecord[]): Generator<Stored> {
  const rows = encodeQueryRecord({ t: 'rows', answers: ROWS });
  for (const { id } of queries) {
    for (let n = 0; n < EVENTS_PER_QUERY; n += 1) yield [STREAM_SUBJECTS.result(ORG, id), rows];
  }
}

function* commandEntries(count: number, nowMs: number): Generator<Stored> {
  for (let i = 0; i < count; i += 1) {
    const { subject, entries } = endedCommand(i, nowMs - count + i);
    for (const entry of entries) yield [subject, encodeJournalEntry(entry)];
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
