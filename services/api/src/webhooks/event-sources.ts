import type { WebhookEvent } from '@muster/api-contract';
import type { Entry, StreamStore } from '@muster/bus';
import type { Directory, Endpoint } from '@muster/directory';
import { summaryOf } from '@muster/messages';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  decodePosture,
  decodeQueryRecord,
  decodeRecord,
  parseIdentitySubject,
  STREAM_SUBJECTS,
  STREAMS,
  type AuditRecord,
  type EnrolledRecord,
  type HealthRecord,
  type QueryRecord,
  type RevokedRecord,
  type ScanRecord,
} from '@muster/records';
import { commandJson } from '../commands/command-json.js';
import { applyEntry } from '../commands/command-store.js';
import { failingRulesJson } from '../metrics/metrics-json.js';
import { scanJson } from '../posture/posture-json.js';
import { queryJson } from '../queries/query-json.js';
import { CommandSteps } from './command-steps.js';

/** An event as its stream has it. */
export interface SourceEvent {
  readonly atMs: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** The endpoint that it is about, for selectors. */
  readonly endpoint?: Pick<Endpoint, 'agentId' | 'facts' | 'labels'>;
  /** Tells events of one entry apart: the same each time the entry is read. */
  readonly part?: string;
  /** Names the event instead of its entry, where several entries say the same. */
  readonly key?: string;
}

type Events = SourceEvent | readonly SourceEvent[] | undefined;

/** A stream some of whose entries are events of one type. A further type of event is a further source. */
export interface EventSource {
  readonly type: WebhookEvent;
  readonly stream: string;
  readonly subject: string;
  /** The events of an entry; `undefined` where there are none. May throw where the entry cannot be read. */
  readonly read: (entry: Entry) => Events | Promise<Events>;
}

export interface SourceParts {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byId'>;
}

export function eventSources({ streams, directory }: SourceParts): readonly EventSource[] {
  return [
    {
      type: 'agent.enrolled',
      stream: STREAMS.identities.name,
      subject: STREAM_SUBJECTS.allEnrolled,
      read: ({ data }) => enrolled(decodeRecord(data)),
    },
    {
      type: 'agent.revoked',
      stream: STREAMS.identities.name,
      subject: STREAM_SUBJECTS.allRevoked,
      read: ({ data, subject }) => {
        const { org, agentId } = parseIdentitySubject(subject) ?? {};
        if (org === undefined || agentId === undefined) return undefined;
        return revoked(decodeRecord(data), agentId, directory.byId(org, agentId));
      },
    },
    {
      type: 'health.changed',
      stream: STREAMS.health.name,
      subject: STREAM_SUBJECTS.allHealth,
      read: ({ data }) => {
        const record = decodeRecord<HealthRecord>(data);
        return healthChanged(record, directory.byId(record.org, record.agentId));
      },
    },
    {
      type: 'query.ended',
      stream: STREAMS.queries.name,
      subject: STREAM_SUBJECTS.allQueries,
      read: ({ data }) => queryEnded(decodeQueryRecord(data)),
    },
    {
      type: 'hunt.found',
      stream: STREAMS.queries.name,
      subject: STREAM_SUBJECTS.allQueries,
      read: ({ data, timestampMs }) => huntFound(decodeQueryRecord(data), timestampMs),
    },
    {
      type: 'scan.regressed',
      stream: STREAMS.scans.name,
      subject: STREAM_SUBJECTS.allScans,
      read: ({ data }) => scanRegressed(decodePosture(data)),
    },
    {
      type: 'command.approval_wanted',
      stream: STREAMS.commands.name,
      subject: STREAM_SUBJECTS.allCommands,
      read: ({ data }) => approvalWanted(data),
    },
    {
      type: 'command.ended',
      stream: STREAMS.commands.name,
      subject: STREAM_SUBJECTS.allCommands,
      read: endedCommands(streams),
    },
    {
      type: 'audit.recorded',
      stream: STREAMS.audit.name,
      subject: STREAM_SUBJECTS.allAudit,
      read: ({ data }) => audited(decodeRecord(data)),
    },
  ];
}

function enrolled({ agentId, enrolledAtMs, facts, labels, removed }: EnrolledRecord): SourceEvent | undefined {
  if (removed !== undefined) return undefined;
  const { host, os, arch } = facts;
  return { atMs: enrolledAtMs, data: { agentId, host, os, arch, labels }, endpoint: { agentId, facts, labels } };
}

function revoked({ by, reason, atMs }: RevokedRecord, agentId: AgentId, endpoint: Endpoint | undefined): SourceEvent {
  const data = { agentId, host: endpoint?.facts.host ?? null, by, reason };
  return { atMs, data, ...(endpoint === undefined ? {} : { endpoint }) };
}

function healthChanged(record: HealthRecord, endpoint: Endpoint | undefined): SourceEvent {
  const { atMs, agentId, state, before, rules } = record;
  const data = { agentId, host: endpoint?.facts.host ?? null, state, before, rules: failingRulesJson(rules, atMs) };
  return { atMs, data, ...(endpoint === undefined ? {} : { endpoint }) };
}

/** A hunt ends too; it has `waitUntil`. */
function queryEnded(record: QueryRecord): SourceEvent | undefined {
  if (record.state === 'running') return undefined;
  return { atMs: record.endedAtMs ?? record.createdAtMs, data: { query: queryJson(record) } };
}

/** Deliveries are kept for three days, by the id of their event: within this time the same event is not delivered twice. */
const TOLD_MS = 2 * 86_400_000;

/**
 * A hunt has rows, or rows of more endpoints than it had. Its record is written again for other reasons too, when
 * another coordinator goes on with it and when it ends; only the newest version is there for who reads late.
 */
function huntFound(record: QueryRecord, writtenMs: number): SourceEvent | undefined {
  const { id, found } = record;
  if (found === undefined || writtenMs - found.atMs > TOLD_MS) return undefined;
  const { endpoints, atMs } = found;
  return { atMs, data: { query: queryJson(record), endpoints }, key: `${id}-${endpoints}` };
}

/** A complete scan in which checks fail that did not fail in the one before it of the same pack and scope, or fail on more endpoints. */
function scanRegressed(scan: ScanRecord): SourceEvent | undefined {
  const { state, changes, checks, ...summary } = scan;
  if (state !== 'complete' || changes === undefined) return undefined;
  const { fails, spreads = [] } = changes;
  if (fails.length + spreads.length === 0) return undefined;
  const now = new Map(checks.map((check) => [check.id, check]));
  const regressions = [...fails, ...spreads].flatMap((id, at) => {
    const check = now.get(id);
    if (check === undefined) return [];
    const { title, severity, fail, excepted = 0 } = check;
    return [
      { check: id, title, severity, endpoints: fail - excepted, change: at < fails.length ? 'fails' : 'spreads' },
    ];
  });
  return { atMs: scan.endedAtMs, data: { scan: scanJson({ ...summary, state, changes }), regressions } };
}

/** The entry that makes a command says whether somebody else has to approve it; no other entry makes a fold by itself. */
function approvalWanted(data: Uint8Array): SourceEvent | undefined {
  const made = applyEntry(undefined, data)?.fold;
  if (made?.status !== 'awaiting_approval') return undefined;
  return { atMs: made.record.submittedAtMs, data: { command: commandJson(summaryOf(made)) } };
}

function audited({ atMs, prev: _prev, ...data }: AuditRecord): SourceEvent {
  return { atMs, data };
}

/** A command ends with the entry with which its last target settles. */
function endedCommands(streams: StreamStore): EventSource['read'] {
  const steps = new CommandSteps(streams);
  return async (entry) => {
    const applied = await steps.take(entry);
    if (applied?.step.ended !== true) return undefined;
    return {
      atMs: applied.fold.endedAtMs ?? entry.timestampMs,
      data: { command: commandJson(summaryOf(applied.fold)) },
    };
  };
}

/** The org of a subject of any of these streams: `muster.v1.KIND.ORG…`. */
export function orgOfSubject(subject: string): OrgId {
  return (subject.split('.')[3] ?? '') as OrgId;
}
