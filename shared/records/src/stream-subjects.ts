import type { AgentId, CommandId, OrgId, QueryId } from '@muster/protocol';
import { SUBJECT_ROOT as ROOT, subjectToken as part } from './subject-token.js';

/** Subjects of kept things (streams). */
export const KEPT = {
  enrolled: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.enrolled.${part(id)}`,
  facts: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.facts.${part(id)}`,
  labels: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.labels.${part(id)}`,
  revoked: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.revoked.${part(id)}`,
  duplicate: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.duplicate.${part(id)}`,
  mode: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.mode.${part(id)}`,
  away: (org: OrgId, id: AgentId) => `${ROOT}.identity.${part(org)}.away.${part(id)}`,
  /** What operators ordered about channels, of all agents of all orgs. */
  allModes: `${ROOT}.identity.*.mode.*`,
  /** Operator labels of all agents of all orgs. */
  allLabels: `${ROOT}.identity.*.labels.*`,
  allRevoked: `${ROOT}.identity.*.revoked.*`,
  query: (org: OrgId, id: QueryId) => `${ROOT}.query.${part(org)}.${part(id)}`,
  result: (org: OrgId, id: QueryId) => `${ROOT}.result.${part(org)}.${part(id)}`,
  command: (org: OrgId, id: CommandId) => `${ROOT}.journal.${part(org)}.${part(id)}`,
  /** The journals of all commands of all orgs. */
  allCommands: `${ROOT}.journal.*.*`,
  audit: (org: OrgId) => `${ROOT}.audit.${part(org)}`,
  operatorToken: (org: OrgId, tokenId: string) => `${ROOT}.token.${part(org)}.${part(tokenId)}`,
  /** `key` is a hash of whose request it is and of the caller's key. */
  idempotency: (org: OrgId, key: string) => `${ROOT}.idempotency.${part(org)}.${part(key)}`,
} as const;

const HOUR_MS = 3_600_000;

/** The streams that keep them. Ages and sizes are bounds, not promises; `docs/operations.md` tells how to change them. */
export const STREAMS = {
  identities: { name: 'MUSTER_IDENTITIES', storage: 'file', subjects: [`${ROOT}.identity.>`], maxMsgsPerSubject: 1 },
  queries: {
    name: 'MUSTER_QUERIES',
    storage: 'file',
    subjects: [`${ROOT}.query.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 7 * 24 * HOUR_MS,
  },
  results: {
    name: 'MUSTER_RESULTS',
    storage: 'file',
    subjects: [`${ROOT}.result.>`],
    maxAgeMs: 24 * HOUR_MS,
    maxBytes: 8 * 1024 ** 3,
  },
  /** Longer than the longest expiry: a command that is not settled must never fall out. */
  commands: {
    name: 'MUSTER_COMMANDS',
    storage: 'file',
    subjects: [`${ROOT}.journal.>`],
    maxAgeMs: 30 * 24 * HOUR_MS,
  },
  audit: { name: 'MUSTER_AUDIT', storage: 'file', subjects: [`${ROOT}.audit.>`], maxAgeMs: 400 * 24 * HOUR_MS },
  operatorTokens: { name: 'MUSTER_TOKENS', storage: 'file', subjects: [`${ROOT}.token.>`], maxMsgsPerSubject: 1 },
  /** Answers of mutating calls, so that a repeat under the same idempotency key gets the same one from any API process. */
  idempotency: {
    name: 'MUSTER_IDEMPOTENCY',
    storage: 'file',
    subjects: [`${ROOT}.idempotency.>`],
    maxMsgsPerSubject: 1,
    maxAgeMs: 24 * HOUR_MS,
    maxBytes: 256 * 1024 ** 2,
  },
} as const;

/** The parts of an identity subject. */
export function parseIdentitySubject(subject: string): { org: OrgId; kind: string; agentId: AgentId } | undefined {
  const match = /^muster\.v1\.identity\.([^.]+)\.([^.]+)\.([^.]+)$/.exec(subject);
  if (match === null) return undefined;
  return { org: match[1] as OrgId, kind: match[2] as string, agentId: match[3] as AgentId };
}

/** The parts of a command's journal subject. */
export function parseCommandSubject(subject: string): { org: OrgId; id: CommandId } | undefined {
  const match = /^muster\.v1\.journal\.([^.]+)\.([^.]+)$/.exec(subject);
  return match === null ? undefined : { org: match[1] as OrgId, id: match[2] as CommandId };
}
