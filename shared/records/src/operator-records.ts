import type { OrgId } from '@muster/protocol';

/** Operators: their roles, their tokens, and the audit record of what they did. */

export type Role = 'viewer' | 'analyst' | 'responder' | 'admin';

export interface OperatorTokenRecord {
  readonly tokenId: string;
  readonly org: OrgId;
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the whole token, hex. */
  readonly hash: string;
  readonly selector?: string;
  /** The id of who made it. */
  readonly createdBy: string;
  /** The person who made it, as `@muster/identity` names them. Absent in records from before it was kept. */
  readonly creator?: string;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly lastUsedAtMs?: number;
  readonly revokedAtMs?: number;
}

/** One action that somebody took, or was refused. */
export interface AuditRecord {
  readonly atMs: number;
  readonly org: OrgId;
  readonly actor: string;
  readonly actorName: string;
  readonly action: string;
  readonly outcome: 'allowed' | 'refused' | 'failed';
  /** The address the request came from. */
  readonly from: string;
  /** What the action was about: a query's id, an agent, a token. */
  readonly subject?: string;
  readonly scope?: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /**
   * SHA-256, hex, of the bytes of the org's previous record; empty for the first. Set by the writer that appends. Records from before
   * the chain was introduced have none.
   */
  readonly prev?: string;
}
