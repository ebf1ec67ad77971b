const DAY_MS = 24 * 3_600_000;

/** For how long a check may fail: the server takes at most two years. */
export const TERMS = ['7d', '30d', '90d', '180d', '365d'] as const;
export type Term = (typeof TERMS)[number];

/** The end of a term that begins now. */
export function untilOf(term: Term, now = Date.now()): string {
  return new Date(now + Number.parseInt(term, 10) * DAY_MS).toISOString();
}

interface Named {
  readonly agentId: string | null;
}

/** Endpoints of a finding as a selector, where it names all of them; else the selector of its scan. */
export function selectorOf(
  { endpoints, sample }: { readonly endpoints: number; readonly sample: readonly Named[] },
  ofScan: string,
): string {
  const ids = sample.flatMap(({ agentId }) => (agentId === null ? [] : [agentId]));
  if (ids.length === 0 || ids.length < endpoints) return ofScan;
  return ids.length === 1 ? `id=${ids[0]}` : `id in (${ids.join(',')})`;
}
