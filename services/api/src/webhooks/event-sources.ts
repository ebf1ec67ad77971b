import type { WebhookEvent } from '@muster/api-contract';
import type { Entry, StreamStore } from '@muster/bus';
import type { Directory, Endpoint } from '@muster/directory';
import { summaryOf } from '@muster/messages';
import type { AgentId, CommandId, OrgId } from '@muster/protocol';
import {
  decodeRecord,
  parseCommandSubject,
  parseIdentitySubject,
  STREAM_SUBJECTS,
  STREAMS,
  type AuditRecord,
  type CommandFold,
  type EnrolledRecord,
  type HealthRecord,
  type RevokedRecord,
} from '@muster/records';
import { LRUCache } from 'lru-cache';
import { commandJson } from '../commands/command-json.js';
import { applyEntry } from '../commands/command-store.js';
import { failingRulesJson } from '../metrics/metrics-json.js';

/** An event as its stream has it. */
export interface SourceEvent {
  readonly atMs: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** The endpoint that it is about, for selectors. */
  readonly endpoint?: Pick<Endpoint, 'agentId' | 'facts' | 'labels'>;
}

/** A stream some of whose entries are events of one type. A further type of event is a further source. */
export interface EventSource {
  readonly type: WebhookEvent;
  readonly stream: string;
  readonly subject: string;
  /** The event of an entry; `undefined` where it is none. May throw where the entry cannot be read. */
  readonly read: (entry: Entry) => SourceEvent | undefined | Promise<SourceEvent | undefined>;
}

/** Folds of commands are as large as their targets are many. */
const MAX_FOLDS = 50;

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

function audited({ atMs, prev: _prev, ...data }: AuditRecord): SourceEvent {
  return { atMs, data };
}

/** A command ends with the entry with which its last target settles, so its entries are folded in their sequence. */
function endedCommands(streams: StreamStore): EventSource['read'] {
  const folds = new LRUCache<CommandId, { fold: CommandFold }>({ max: MAX_FOLDS });
  const foldBefore = async (entry: Entry): Promise<CommandFold | undefined> => {
    let fold: CommandFold | undefined;
    for await (const earlier of streams.read(STREAMS.commands.name, { subject: entry.subject })) {
      if (earlier.seq >= entry.seq) break;
      fold = applyEntry(fold, earlier.data)?.fold;
    }
    return fold;
  };
  return async (entry) => {
    const id = parseCommandSubject(entry.subject)?.id;
    if (id === undefined) return undefined;
    const known = folds.get(id)?.fold ?? (await foldBefore(entry));
    const applied = applyEntry(known, entry.data);
    if (applied === undefined) return undefined;
    if (applied.fold.status === 'ended') folds.delete(id);
    else folds.set(id, { fold: applied.fold });
    if (!applied.step.ended) return undefined;
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
