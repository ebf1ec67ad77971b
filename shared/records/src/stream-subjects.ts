import type { AgentId, CommandId, OrgId, QueryId } from '@muster/protocol';
import { SUBJECT_ROOT as ROOT, subjectToken as token } from './subject-token.js';

/** The subjects of records in streams. */
export const STREAM_SUBJECTS = {
  enrolled: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.enrolled.${token(id)}`,
  facts: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.facts.${token(id)}`,
  labels: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.labels.${token(id)}`,
  revoked: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.revoked.${token(id)}`,
  duplicate: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.duplicate.${token(id)}`,
  mode: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.mode.${token(id)}`,
  /** The last time the agent used another channel than the assigned one. */
  fallback: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.away.${token(id)}`,
  /** The first session of the agent. */
  firstSession: (org: OrgId, id: AgentId) => `${ROOT}.identity.${token(org)}.live.${token(id)}`,
  allRevoked: `${ROOT}.identity.*.revoked.*`,
  allEnrolled: `${ROOT}.identity.*.enrolled.*`,
  query: (org: OrgId, id: QueryId) => `${ROOT}.query.${token(org)}.${token(id)}`,
  /** The records of all queries of an org. */
  orgQueries: (org: OrgId) => `${ROOT}.query.${token(org)}.*`,
  result: (org: OrgId, id: QueryId) => `${ROOT}.result.${token(org)}.${token(id)}`,
  command: (org: OrgId, id: CommandId) => `${ROOT}.journal.${token(org)}.${token(id)}`,
  /** The journals of all commands of an org. */
  orgCommands: (org: OrgId) => `${ROOT}.journal.${token(org)}.*`,
  /** The journals of all commands of all orgs. */
  allQueries: `${ROOT}.query.*.*`,
  allCommands: `${ROOT}.journal.*.*`,
  audit: (org: OrgId) => `${ROOT}.audit.${token(org)}`,
  allAudit: `${ROOT}.audit.*`,
  operatorToken: (org: OrgId, tokenId: string) => `${ROOT}.token.${token(org)}.${token(tokenId)}`,
  /** A session of the console, or a link that opens one. */
  session: (org: OrgId, id: string) => `${ROOT}.session.${token(org)}.${token(id)}`,
  /** How healthy an endpoint is: {@link HealthRecord}. */
  health: (org: OrgId, id: AgentId) => `${ROOT}.health.${token(org)}.${token(id)}`,
  /** The changes of all endpoints of an org. */
  orgHealth: (org: OrgId) => `${ROOT}.health.${token(org)}.*`,
  /** The changes of all endpoints of all orgs. */
  allHealth: `${ROOT}.health.*.*`,
  /** The versions of a pack. Its id may have dots, but no two separators in a row. */
  pack: (org: OrgId, id: string) => `${ROOT}.pack.${token(org)}.${token(id.replaceAll('.', '__'))}`,
  /** The version of a pack that waits for a second person. No pack has such an id, with two separators in a row. */
  packProposal: (org: OrgId, id: string) => `${ROOT}.pack.${token(org)}.${token(id.replaceAll('.', '__'))}--proposed`,
  schedule: (org: OrgId, id: string) => `${ROOT}.schedule.${token(org)}.${token(id)}`,
  allSchedules: `${ROOT}.schedule.*.*`,
  exception: (org: OrgId, id: string) => `${ROOT}.exception.${token(org)}.${token(id)}`,
  allExceptions: `${ROOT}.exception.*.*`,
  scan: (org: OrgId, id: QueryId) => `${ROOT}.scan.${token(org)}.${token(id)}`,
  allScans: `${ROOT}.scan.*.*`,
  /** The versions of a feed of vulnerabilities, and the one that is being sent. */
  feed: (org: OrgId, name: string) => `${ROOT}.feed.${token(org)}.${token(name)}`,
  feedUpload: (org: OrgId, name: string) => `${ROOT}.feed-upload.${token(org)}.${token(name)}`,
  feedPart: (org: OrgId, name: string, upload: string, part: number) =>
    `${ROOT}.feed-part.${token(org)}.${token(name)}.${token(upload)}.${part}`,
  /** All parts of one version. */
  feedParts: (org: OrgId, name: string, upload: string) =>
    `${ROOT}.feed-part.${token(org)}.${token(name)}.${token(upload)}.*`,
  vulnerabilityScan: (org: OrgId, id: string) => `${ROOT}.vulnerability-scan.${token(org)}.${token(id)}`,
  allVulnerabilityScans: `${ROOT}.vulnerability-scan.*.*`,
  findingBlock: (org: OrgId, id: string, attempt: string, block: number) =>
    `${ROOT}.vulnerability-finding.${token(org)}.${token(id)}.${token(attempt)}.${block}`,
  findingBlocks: (org: OrgId, id: string, attempt: string) =>
    `${ROOT}.vulnerability-finding.${token(org)}.${token(id)}.${token(attempt)}.*`,
  webhook: (org: OrgId, id: string) => `${ROOT}.webhook.${token(org)}.${token(id)}`,
  /** All webhooks of all orgs. */
  allWebhooks: `${ROOT}.webhook.*.*`,
  /** Which API process delivers. */
  webhookLease: `${ROOT}.webhook-lease`,
  /** How far the events of one stream have become deliveries. */
  webhookPosition: (source: string) => `${ROOT}.webhook-position.${token(source.replace('.', '-'))}`,
  webhookDelivery: (org: OrgId, id: string, eventId: string) =>
    `${ROOT}.webhook-delivery.${token(org)}.${token(id)}.${token(eventId)}`,
  /** The deliveries of one webhook. */
  webhookDeliveries: (org: OrgId, id: string) => `${ROOT}.webhook-delivery.${token(org)}.${token(id)}.*`,
  question: (org: OrgId, name: string) => `${ROOT}.question.${token(org)}.${token(name)}`,
  /** All saved questions of all orgs. */
  allQuestions: `${ROOT}.question.*.*`,
  /** `key` is a hash of the caller's identity and the idempotency key. */
  idempotency: (org: OrgId, key: string) => `${ROOT}.idempotency.${token(org)}.${token(key)}`,
} as const;

const HOUR_MS = 3_600_000;

/** The streams. Ages and sizes are upper bounds, not guarantees; these are the defaults of settings (`docs/settings.md`). */
export const STREAMS = {
  identities: { name: 'MUSTER_IDENTITIES', storage: 'file', subjects: [`${ROOT}.identity.>`], maxMsgsPerSubject: 1 },
  queries: {
    name: 'MUSTER_QUERIES',
    storage: 'file',
    subjects: [`${ROOT}.query.>`],
    maxMsgsPerSubject: 1,
    // A day longer than their results, so that those are deleted by their records.
    maxAgeMs: 45 * 24 * HOUR_MS,
  },
  results: {
    name: 'MUSTER_RESULTS',
    storage: 'file',
    subjects: [`${ROOT}.result.>`],
    // What the longest hunt found first is kept for 30 days after its end too. APIs delete the results of queries 30 days after their end.
    maxAgeMs: 44 * 24 * HOUR_MS,
    maxBytes: 8 * 1024 ** 3,
  },
  /** The age is longer than the longest expiry: a command that is not settled must never be dropped. */
  commands: { name: 'MUSTER_COMMANDS', storage: 'file', subjects: [`${ROOT}.journal.>`], maxAgeMs: 30 * 24 * HOUR_MS },
  audit: { name: 'MUSTER_AUDIT', storage: 'file', subjects: [`${ROOT}.audit.>`], maxAgeMs: 400 * 24 * HOUR_MS },
  operatorTokens: { name: 'MUSTER_TOKENS', storage: 'file', subjects: [`${ROOT}.token.>`], maxMsgsPerSubject: 1 },
  /** Sessions of the console. The age is longer than the longest session. */
  sessions: {
    name: 'MUSTER_SESSIONS',
    storage: 'file',
    subjects: [`${ROOT}.session.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 31 * 24 * HOUR_MS,
  },
  /** Changes of health: the last ones of each endpoint. No age: the newest is the present state. */
  health: {
    name: 'MUSTER_HEALTH',
    storage: 'file',
    subjects: [`${ROOT}.health.>`],
    maxMsgsPerSubject: 10,
  },
  /** Packs with their last versions. No age: the newest counts, and findings and hunts need the text of the version that they name. */
  packs: { name: 'MUSTER_PACKS', storage: 'file', subjects: [`${ROOT}.pack.>`], maxMsgsPerSubject: 200 },
  /** What people decide about scans: schedules and exceptions. No age: the newest counts. */
  posture: {
    name: 'MUSTER_POSTURE',
    storage: 'file',
    subjects: [`${ROOT}.schedule.>`, `${ROOT}.exception.>`],
    maxMsgsPerSubject: 1,
  },
  /** What scans found, longer than their rows, for what changes over time. */
  scans: {
    name: 'MUSTER_SCANS',
    storage: 'file',
    subjects: [`${ROOT}.scan.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 400 * 24 * HOUR_MS,
  },
  /** Feeds of vulnerabilities: their last versions, without their records. */
  feeds: {
    name: 'MUSTER_FEEDS',
    storage: 'file',
    subjects: [`${ROOT}.feed.>`, `${ROOT}.feed-upload.>`],
    maxMsgsPerSubject: 20,
  },
  /** The records of the newest version of each feed. No age: they count until the next version. */
  feedParts: { name: 'MUSTER_FEED_PARTS', storage: 'file', subjects: [`${ROOT}.feed-part.>`], maxMsgsPerSubject: 1 },
  /** Scans for vulnerabilities and what they found. */
  vulnerabilities: {
    name: 'MUSTER_VULNERABILITIES',
    storage: 'file',
    subjects: [`${ROOT}.vulnerability-scan.>`, `${ROOT}.vulnerability-finding.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 90 * 24 * HOUR_MS,
  },
  /** Webhooks, the lease of the process that delivers, and how far it has read. */
  webhooks: {
    name: 'MUSTER_WEBHOOKS',
    storage: 'file',
    subjects: [`${ROOT}.webhook.>`, `${ROOT}.webhook-lease`, `${ROOT}.webhook-position.*`],
    maxMsgsPerSubject: 1,
  },
  /** The newest state of each delivery. It outlives the last attempt by two days. */
  webhookDeliveries: {
    name: 'MUSTER_WEBHOOK_DELIVERIES',
    storage: 'file',
    subjects: [`${ROOT}.webhook-delivery.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 3 * 24 * HOUR_MS,
  },
  /** The last versions of each saved question. No age: the newest is the question. */
  questions: {
    name: 'MUSTER_QUESTIONS',
    storage: 'file',
    subjects: [`${ROOT}.question.>`],
    maxMsgsPerSubject: 20,
  },
  /** Replies to mutating calls: a repeat with the same idempotency key gets the same reply from any API process. */
  idempotency: {
    name: 'MUSTER_IDEMPOTENCY',
    storage: 'file',
    subjects: [`${ROOT}.idempotency.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 24 * HOUR_MS,
    maxBytes: 256 * 1024 ** 2,
  },
} as const;

/** What services need at the broker besides messages and records. */
export const BROKER_SUBJECTS = {
  /** Room that is given up for what must be stored. */
  reserve: `${ROOT}.reserve`,
  /** Anyone → everyone: a block of it was given up. */
  storageShort: `${ROOT}.storage.short`,
  /** Gateway → any other service (queue group `readers`), request and reply: a reader of a stream. */
  readers: `${ROOT}.readers`,
  /** The same, one way: the next entries of such a reader, for an inbox of the gateway. */
  readerPulls: `${ROOT}.readers.pulls`,
} as const;

/** The stream of {@link BROKER_SUBJECTS.reserve}. */
export const RESERVE_STREAM = 'MUSTER_RESERVE';

const IDENTITY_PREFIX = `${ROOT}.identity.`;
const TOKEN_PREFIX = `${ROOT}.token.`;
const AUDIT_PREFIX = `${ROOT}.audit.`;
const SESSION_PREFIX = `${ROOT}.session.`;
/** Kinds of records that only operators write. */
const DECISIONS: ReadonlySet<string> = new Set(['revoked', 'mode', 'labels']);

/** By stream, the subjects of the records that decide rights: see {@link streamOfDecision}. */
export const DECISION_SUBJECTS: Readonly<Record<string, readonly string[]>> = {
  [STREAMS.operatorTokens.name]: [`${TOKEN_PREFIX}*.*`],
  [STREAMS.sessions.name]: [`${SESSION_PREFIX}*.*`],
  [STREAMS.identities.name]: [...DECISIONS].map((kind) => `${IDENTITY_PREFIX}*.${kind}.*`),
};

/**
 * The stream of a record that decides what somebody may do: a token, a session, or what operators decided about an
 * agent. APIs write and sign those. `undefined` for all other records.
 */
export function streamOfDecision(subject: string): string | undefined {
  if (subject.startsWith(TOKEN_PREFIX)) return STREAMS.operatorTokens.name;
  if (subject.startsWith(SESSION_PREFIX)) return STREAMS.sessions.name;
  const parts = parseIdentitySubject(subject);
  return parts !== undefined && DECISIONS.has(parts.kind) ? STREAMS.identities.name : undefined;
}

/** Without a regular expression, because a start reads some of each identity. */
export function parseIdentitySubject(subject: string): { org: OrgId; kind: string; agentId: AgentId } | undefined {
  if (!subject.startsWith(IDENTITY_PREFIX)) return undefined;
  const orgEnd = subject.indexOf('.', IDENTITY_PREFIX.length);
  const kindEnd = subject.indexOf('.', orgEnd + 1);
  const org = subject.slice(IDENTITY_PREFIX.length, orgEnd);
  const kind = subject.slice(orgEnd + 1, kindEnd);
  const agentId = subject.slice(kindEnd + 1);
  if (orgEnd < 0 || kindEnd < 0 || org === '' || kind === '' || agentId === '' || agentId.includes('.'))
    return undefined;
  return { org: org as OrgId, kind, agentId: agentId as AgentId };
}

/** The org whose audit chain has this subject. */
export function orgOfAuditSubject(subject: string): OrgId | undefined {
  const org = subject.startsWith(AUDIT_PREFIX) ? subject.slice(AUDIT_PREFIX.length) : '';
  return org === '' || org.includes('.') ? undefined : (org as OrgId);
}

export function parseCommandSubject(subject: string): { org: OrgId; id: CommandId } | undefined {
  const match = /^muster\.v1\.journal\.([^.]+)\.([^.]+)$/.exec(subject);
  return match === null ? undefined : { org: match[1] as OrgId, id: match[2] as CommandId };
}
