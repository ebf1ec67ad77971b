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

/** How somebody signed in to the console. */
export type SignInWay = 'token' | 'link' | 'oidc';

/** Somebody signed in to the console; while `code` is set, a one-time link by which somebody may. */
export interface SessionRecord {
  readonly id: string;
  readonly org: OrgId;
  readonly via: SignInWay;
  /** A link that nobody has used yet: its secret opens a session once, and nothing else. */
  readonly isLink?: true;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** Whose session it is. Of a token only `id` and `person` count: role and selector are those of the token as it is now. */
  readonly principal: {
    readonly kind: 'token' | 'oidc';
    readonly id: string;
    readonly name: string;
    readonly role: Role;
    readonly selector?: string;
    readonly person: string;
    readonly origin: string;
  };
  /** SHA-256 of the configured token that was signed in with, hex: with another configured token the session is over. */
  readonly bootstrapHash?: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  /**
   * When its owner last proved who they are: by a token, or to the provider, which may have been long before the
   * session; 0 where the provider does not say. Of a link: its maker. Absent in records of older versions, where
   * `createdAtMs` counts.
   */
  readonly authenticatedAtMs?: number;
  /** The secret before the owner signed in again, and what it counts for: calls that were under way at that moment. */
  readonly before?: { readonly hash: string; readonly authenticatedAtMs: number; readonly untilMs: number };
  /** It is over then, whatever happens. */
  readonly endsAtMs: number;
  /** Of a link: the session that it opens may not last longer. */
  readonly sessionEndsAtMs?: number;
  /** How often it has got a new secret; absent for never. */
  readonly generation?: number;
  /** Of a link that a session made, and of what it opened: that session, and its generation at that moment. It ends with either. */
  readonly parent?: { readonly id: string; readonly generation: number };
  readonly from: string;
  readonly userAgent: string;
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
