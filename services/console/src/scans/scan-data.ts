import type { FindingJson, PackCheckJson, QueryJson, ScanJson } from '@muster/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useFollow } from '../stream/use-stream.js';

const RUNNING_MS = 1_000;
const FINDINGS_MS = 3_000;
const LIST_MS = 15_000;
const SHOWN = 200;
const NO_CHECKS: readonly PackCheckJson[] = [];
const NO_FINDINGS: readonly FindingJson[] = [];

/** A scan in a list. */
export type ListedScan = Pick<
  ScanJson,
  | 'id'
  | 'pack'
  | 'state'
  | 'selector'
  | 'createdAt'
  | 'ledger'
  | 'score'
  | 'previous'
  | 'changes'
  | 'operator'
  | 'offline'
>;

/** Scans that run, then those that have ended, the newest first. */
export function useScans() {
  const queryClient = useQueryClient();
  useFollow({ kind: 'queries' }, ({ event, query }) => {
    if (event === 'query' && (query as QueryJson).pack !== undefined)
      void queryClient.invalidateQueries({ queryKey: ['scans'] });
  });
  const running = useQuery({
    queryKey: ['scans', 'running'],
    queryFn: ({ signal }) => client.call('GET /v1/queries', { query: { state: 'running', limit: SHOWN }, signal }),
    refetchInterval: LIST_MS,
  });
  const ended = useQuery({
    queryKey: ['scans', 'ended'],
    queryFn: ({ signal }) => client.call('GET /v1/scans', { query: { limit: SHOWN }, signal }),
    refetchInterval: LIST_MS,
  });
  const now = (running.data?.items ?? []).flatMap(({ pack, ...query }): ListedScan[] =>
    pack === undefined ? [] : [{ ...query, pack }],
  );
  const items = ended.data === undefined ? undefined : [...now, ...ended.data.items];
  const error = ended.error ?? running.error;
  return { items, error, hasMore: ended.data?.nextCursor !== undefined, again: () => void ended.refetch() };
}

/** One scan, looked at again until what it found is counted. */
export function useScan(id: string) {
  return useQuery({
    queryKey: ['scan', id],
    queryFn: ({ signal }) => client.call('GET /v1/scans/{id}', { params: { id }, signal }),
    refetchInterval: ({ state }) => (state.data?.recorded === true ? false : RUNNING_MS),
  });
}

/** What fails so far, while a scan runs. */
export function useFindingsSoFar(scan: ScanJson): readonly FindingJson[] {
  const { data } = useQuery({
    queryKey: ['scan', scan.id, 'findings'],
    queryFn: ({ signal }) => client.call('GET /v1/scans/{id}/findings', { params: { id: scan.id }, signal }),
    refetchInterval: FINDINGS_MS,
    enabled: !scan.recorded,
  });
  return data?.items ?? NO_FINDINGS;
}

export function usePacks() {
  return useQuery({
    queryKey: ['packs'],
    queryFn: ({ signal }) => client.call('GET /v1/packs', { signal }),
    staleTime: 60_000,
  });
}

export function usePack(id: string) {
  return useQuery({
    queryKey: ['pack', id],
    queryFn: ({ signal }) => client.call('GET /v1/packs/{id}', { params: { id }, signal }),
    staleTime: 60_000,
  });
}

/**
 * What a pack says of its checks. Another version may be the newest by now: what it says of a check that is still there
 * is shown all the same.
 */
export function useContents({ pack }: Pick<ScanJson, 'pack'>) {
  const { data } = usePack(pack.id);
  return { contents: data?.contents ?? NO_CHECKS, isOther: data !== undefined && data.version !== pack.version };
}
