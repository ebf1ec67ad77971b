import {
  type AgentId,
  type Facts,
  type Labels,
  type OrgId,
  type SessionMode,
  decodeCbor,
  encodeCbor,
} from '@muster/protocol';

/** What streams keep besides queries: identities, operator tokens, audit. */

/** Written once per key pair; the sequence of the first one is the agent's number. */
export interface EnrolledRecord {
  readonly agentId: AgentId;
  readonly org: OrgId;
  /** base64url of the raw Ed25519 public key. */
  readonly publicKey: string;
  readonly enrolledAtMs: number;
  /** The address it came from. */
  readonly from: string;
  readonly facts: Facts;
  readonly labels: Labels;
}

/** Written when what the agent says of itself has changed. */
export interface FactsRecord {
  readonly facts: Facts;
  readonly labels: Labels;
  readonly seenAtMs: number;
}

/** Labels set by operators; they win over the agent's own. */
export interface LabelsRecord {
  readonly labels: Labels;
  readonly by: string;
  readonly atMs: number;
}

export interface RevokedRecord {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

/** Two machines presented this identity. */
export interface DuplicateRecord {
  readonly atMs: number;
  readonly holderInstance: string;
  readonly refusedInstance: string;
  readonly refusedHost: string;
  readonly refusedAddress: string;
}

/** Which channel an operator ordered an agent to use; wins over the gateways' policy. */
export interface ModeRecord {
  /** `default`: what the policy says; an earlier order is withdrawn. */
  readonly mode: SessionMode | 'default';
  /** Absent: as the policy says. */
  readonly intervalMs?: number;
  /** A lease: from then on it is as if it had not been ordered. */
  readonly untilMs?: number;
  readonly reason: string;
  readonly by: string;
  readonly atMs: number;
}

/** An agent was, or still is, on another channel than it was told: what it said of that when it opened a session. */
export interface FallbackRecord {
  readonly atMs: number;
  /** The channel of the session in which it said so: `live` when it is back. */
  readonly mode: SessionMode;
  readonly forMs: number;
  readonly failures: number;
  readonly why: string;
}

export type Role = 'viewer' | 'analyst' | 'responder' | 'admin';

export interface OperatorTokenRecord {
  readonly tokenId: string;
  readonly org: OrgId;
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the whole token, hex. */
  readonly hash: string;
  readonly selector?: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly lastUsedAtMs?: number;
  readonly revokedAtMs?: number;
}

/** One thing somebody did or was refused. */
export interface AuditRecord {
  readonly atMs: number;
  readonly org: OrgId;
  readonly actor: string;
  readonly actorName: string;
  readonly action: string;
  readonly outcome: 'allowed' | 'refused' | 'failed';
  /** The address the request came from. */
  readonly from: string;
  /** What it was about: a query's id, an agent, a token. */
  readonly subject?: string;
  readonly scope?: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /**
   * SHA-256, hex, of the bytes of the org's record before this one; empty for the first. Set by whoever appends. A record from before the chain
   * has none.
   */
  readonly prev?: string;
}

export type KeptRecord =
  | EnrolledRecord
  | FactsRecord
  | LabelsRecord
  | RevokedRecord
  | DuplicateRecord
  | ModeRecord
  | FallbackRecord
  | OperatorTokenRecord
  | AuditRecord;

export function encodeKept(record: KeptRecord): Uint8Array {
  return encodeCbor(record);
}

export function decodeKept<T extends KeptRecord>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a kept record');
  return value as T;
}
