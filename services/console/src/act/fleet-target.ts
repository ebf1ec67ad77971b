import type { ActTarget } from './target.js';

/** Endpoints of the fleet that something is done with. */
export type FleetTarget = Exclude<ActTarget, { readonly kind: 'rows' }>;

/** A selector has a bound of bytes: so many ids are in one. */
const IDS_A_SELECTOR = 150;

/** Selectors of exactly these. */
export function selectorsOf(target: FleetTarget): readonly string[] {
  if (target.kind === 'selector') return [target.selector];
  const selectors: string[] = [];
  for (let at = 0; at < target.agentIds.length; at += IDS_A_SELECTOR) {
    selectors.push(`id in (${target.agentIds.slice(at, at + IDS_A_SELECTOR).join(',')})`);
  }
  return selectors;
}
