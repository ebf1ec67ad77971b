import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';

const RUNNING_MS = 2_000;
const IDLE_MS = 30_000;

/** The newest scan for vulnerabilities, null where there is none, and whether it runs. Looked at more often while it does. */
export function useNewestScan() {
  const scans = useQuery({
    queryKey: ['vulnerability-scans'],
    queryFn: async ({ signal }) => {
      const { items } = await client.call('GET /v1/vulnerability-scans', { query: { limit: 1 }, signal });
      return items[0] ?? null;
    },
    refetchInterval: ({ state }) => (state.data?.state === 'running' ? RUNNING_MS : IDLE_MS),
  });
  return { newest: scans.data, error: scans.error, isRunning: scans.data?.state === 'running' };
}
