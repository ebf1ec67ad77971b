import { parseSelector, type AppError, type Selector } from '@muster/protocol';
import type { Principal as VerifiedPrincipal } from '@muster/identity';

/** Who makes a request, with their bound ready to use. */
export interface Principal extends VerifiedPrincipal {
  /** The parsed `selector`; empty when nothing bounds them. */
  readonly bound: Selector;
}

/** `undefined` when the bound cannot be read: it must not turn into no bound. */
export function withBound(principal: VerifiedPrincipal): Principal | undefined {
  if (principal.selector === undefined) return { ...principal, bound: [] };
  const parsed = parseSelector(principal.selector);
  return parsed.ok ? { ...principal, bound: parsed.selector } : undefined;
}

/** `reason` is for metrics and the audit record, from a small closed set; `error` is for the caller and says less. */
export type AuthResult =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly reason: string; readonly error: AppError };

/** Finds out who makes a request. */
export interface Authenticator {
  /** `authorization` is the header as it was sent. */
  authenticate(authorization: string | undefined): Promise<AuthResult>;
}
