import type { QueryRecord } from '@muster/records';

/** After the first row, further endpoints are told of together: a hunt over a fleet that comes back must not be a flood. */
export const FOUND_EVERY_MS = 10 * 60_000;

/**
 * What the record of a hunt is to say of its rows by now; `undefined` when it stays as it is. The first row counts at
 * once, further endpoints at most every ten minutes and at the end. In a scan every endpoint has rows: it has no
 * finding of this kind.
 */
export function foundBy(
  { hunt, pack, found }: Pick<QueryRecord, 'hunt' | 'pack' | 'found'>,
  { endpoints, nowMs, isEnd = false }: { readonly endpoints: number; readonly nowMs: number; readonly isEnd?: boolean },
): NonNullable<QueryRecord['found']> | undefined {
  if (hunt === undefined || pack !== undefined || endpoints <= (found?.endpoints ?? 0)) return undefined;
  if (!isEnd && found !== undefined && nowMs - found.atMs < FOUND_EVERY_MS) return undefined;
  return { endpoints, atMs: nowMs };
}
