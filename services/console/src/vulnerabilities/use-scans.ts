import type { VulnerabilityScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';

const RUNNING_MS = 2_000;
const IDLE_MS = 30_000;
const LOOKED_AT = 20;

type ListedScan = Pick<VulnerabilityScanJson, 'id' | 'state' | 'packages'>;

/**
 * The scan whose findings are shown: the newest that compared something, else the newest that has ended. A bad one does
 * not hide a good one.
 */
export function shownScan<Scan extends ListedScan>(scans: readonly Scan[]): Scan | undefined {
  const tells = ({ packages: of }: Scan): boolean =>
    of !== undefined && of.vulnerable + of.not_vulnerable + of.not_known > 0;
  return scans.find(tells) ?? scans.find(({ state }) => state !== 'running');
}

/** The newest scan for vulnerabilities, that whose findings are shown, and whether one runs. Looked at more often while it does. */
export function useVulnerabilityScans() {
  const scans = useQuery({
    queryKey: ['vulnerability-scans'],
    queryFn: ({ signal }) => client.call('GET /v1/vulnerability-scans', { query: { limit: LOOKED_AT }, signal }),
    refetchInterval: ({ state }) => (state.data?.items[0]?.state === 'running' ? RUNNING_MS : IDLE_MS),
  });
  const items = scans.data?.items ?? [];
  const [newest] = items;
  return {
    ...{ newest, shown: shownScan(items), isRunning: newest?.state === 'running' },
    ...{ isRead: scans.data !== undefined, error: scans.error },
  };
}
