import type { Answer, ApiClient } from '@muster/api-client';

type HealthList = Answer<'GET /v1/health'>;

export type UnwellEndpoint = HealthList['items'][number];
export type Counts = HealthList['counts'];

/** Endpoints that are not well, the worst first. */
export interface UnwellList {
  readonly counts: Counts;
  /** How many send no samples; undefined where that is not known. */
  readonly unknown?: number;
  readonly items: readonly UnwellEndpoint[];
  readonly partitions: HealthList['partitions'];
}

const PAGE_SIZE = 1_000;

/** Reads them page by page, `most` at most. */
export async function listUnwell(
  client: ApiClient,
  {
    selector,
    most,
    signal,
  }: { readonly selector: string; readonly most: number; readonly signal?: AbortSignal | undefined },
): Promise<UnwellList> {
  const items: UnwellEndpoint[] = [];
  const missing = new Set<number>();
  let last: HealthList | undefined;
  for (const state of ['critical', 'warning'] as const) {
    let cursor: string | undefined;
    do {
      const query = { selector, state, limit: Math.min(Math.max(most - items.length, 1), PAGE_SIZE), cursor };
      last = await client.call('GET /v1/health', { query, signal });
      for (const partition of last.partitions.missing) missing.add(partition);
      items.push(...last.items.slice(0, most - items.length));
      cursor = last.nextCursor;
    } while (cursor !== undefined && items.length < most);
  }
  const { counts = {} as Counts, partitions = { of: 0, missing: [] } } = last ?? {};
  const unknown = last?.unknown === undefined ? {} : { unknown: last.unknown };
  return { counts, ...unknown, items, partitions: { ...partitions, missing: [...missing].toSorted((a, b) => a - b) } };
}
