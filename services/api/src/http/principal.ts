import { AppError, parseSelector, usesHealth, type OrgId, type Selector } from '@muster/protocol';
import type { Principal as VerifiedPrincipal, Standing } from '@muster/identity';
import type { ClientConnection } from './client-connection.js';

/** Who makes a request, with the selector that bounds them already parsed. */
export interface Principal extends VerifiedPrincipal, Standing {
  /** The parsed `selector`; empty when the principal is not bounded. */
  readonly bound: Selector;
  /** The console's session that asks; absent for a token or a JWT. */
  readonly sessionId?: string;
  /** Of a session: how many secrets it had before the one that was shown. What was opened under one that does not count any more ends. */
  readonly sessionGeneration?: number;
  /** Of a session: when its owner last proved who they are. */
  readonly authenticatedAtMs?: number;
}

/**
 * `undefined` when the selector cannot be parsed, or bounds by `health`, which nobody knows everywhere: the principal
 * must not become unbounded by that.
 */
export function withBound(principal: VerifiedPrincipal & Standing): Principal | undefined {
  if (principal.selector === undefined) return { ...principal, bound: [] };
  const parsed = parseSelector(principal.selector);
  return parsed.ok && !usesHealth(parsed.selector) ? { ...principal, bound: parsed.selector } : undefined;
}

/** An admin of the platform's org whom no selector bounds. Only they see what is counted over all orgs together. */
export function isPlatformAdmin({ org, role, bound }: Principal, platformOrg: OrgId): boolean {
  return org === platformOrg && role === 'admin' && bound.length === 0;
}

/** `reason` is for metrics and the audit record, from a small closed set. `error` is for the caller and has less detail. */
export type AuthResult =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly reason: string; readonly error: AppError };

/** What a request has to show who makes it. */
export interface Credentials {
  /** The header as it was sent. */
  readonly authorization: string | undefined;
  /** Absent where only a header can count. */
  readonly client?: ClientConnection;
  readonly method: string;
  /** Whether it has the header that no other origin can send. */
  readonly isMarked: boolean;
  /** Whom the caller believes to be, where it says so. */
  readonly person?: string | undefined;
}

/** Finds out who makes a request. */
export interface Authenticator {
  authenticate(credentials: Credentials): Promise<AuthResult>;
}

export function refused(reason: string, message: string): AuthResult & { ok: false } {
  return { ok: false, reason, error: new AppError('unauthenticated', message) };
}

export function expired(message: string): AuthResult & { ok: false } {
  return { ok: false, reason: 'expired', error: new AppError('token_expired', message) };
}
