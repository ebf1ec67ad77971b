import { parseSelector, usesHealth, type AppError, type OrgId, type Selector } from '@muster/protocol';
import type { Principal as VerifiedPrincipal, Standing } from '@muster/identity';

/** Who makes a request, with the selector that bounds them already parsed. */
export interface Principal extends VerifiedPrincipal, Standing {
  /** The parsed `selector`; empty when the principal is not bounded. */
  readonly bound: Selector;
}

/** `undefined` when the selector cannot be parsed, or bounds by `health`, which nobody knows everywhere: the principal must not become unbounded by that. */
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

/** Finds out who makes a request. */
export interface Authenticator {
  /** `authorization` is the header as it was sent. */
  authenticate(authorization: string | undefined): Promise<AuthResult>;
}
