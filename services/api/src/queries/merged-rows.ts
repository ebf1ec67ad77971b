import type { StreamStore } from '@muster/bus';
import type { QueryRecord } from '@muster/records';
import { allGroups, rawRows, type IndexedGroup, type RawRow } from './result-rows.js';

/** Where a row is in a chain of queries: the index of its query, and its place there. */
export interface MergedPlace {
  readonly query: number;
  readonly seq: number;
  readonly at: number;
}

/** The rows of several queries, one query after the other. An endpoint is asked again only where it gave no rows. */
export async function* mergedRaw(
  streams: StreamStore,
  chain: readonly QueryRecord[],
  from: MergedPlace,
  signal: AbortSignal,
): AsyncGenerator<RawRow & MergedPlace> {
  for (const [query, record] of chain.entries()) {
    if (query < from.query) continue;
    const place = query === from.query ? from : { seq: 1, at: 0 };
    for await (const row of rawRows(streams, record, place, signal)) yield { ...row, query };
  }
}

const SAMPLE = 10;

/**
 * The groups of several queries, equal rows once, numbered in the order in which they come. Those of the first query pass through; the
 * groups of its retries, which are fewer, are in memory.
 */
export async function* mergedGroups(
  streams: StreamStore,
  [first, ...retries]: readonly QueryRecord[],
  signal: AbortSignal,
): AsyncGenerator<IndexedGroup> {
  if (first === undefined) return;
  if (retries.length === 0) {
    yield* allGroups(streams, first, signal);
    return;
  }
  const added = new Map<string, IndexedGroup>();
  for (const record of retries) {
    for await (const group of allGroups(streams, record, signal)) {
      const key = Buffer.from(group.row).toString('latin1');
      added.set(key, sum(added.get(key), { ...group, row: group.row.slice() }));
    }
  }
  let index = 0;
  for await (const group of allGroups(streams, first, signal)) {
    const key = added.size === 0 ? '' : Buffer.from(group.row).toString('latin1');
    yield { ...sum(added.get(key), group), index };
    added.delete(key);
    index += 1;
  }
  for (const group of added.values()) {
    yield { ...group, index };
    index += 1;
  }
}

/** The groups `from` up to `from + limit`. */
export async function mergedWindow(
  streams: StreamStore,
  chain: readonly QueryRecord[],
  { from, limit }: { readonly from: number; readonly limit: number },
  signal: AbortSignal,
): Promise<{ readonly groups: IndexedGroup[]; readonly more: boolean }> {
  const groups: IndexedGroup[] = [];
  for await (const group of mergedGroups(streams, chain, signal)) {
    if (group.index < from) continue;
    if (group.index === from + limit) return { groups, more: true };
    groups.push({ ...group, row: group.row.slice() });
  }
  return { groups, more: false };
}

function sum(one: IndexedGroup | undefined, other: IndexedGroup): IndexedGroup {
  if (one === undefined) return other;
  return {
    ...other,
    endpoints: one.endpoints + other.endpoints,
    copies: one.copies + other.copies,
    sample: [...other.sample, ...one.sample].slice(0, SAMPLE),
  };
}
