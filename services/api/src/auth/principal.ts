import { parseSelector, type Selector } from '@muster/protocol';
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
