import { useQuery } from '@tanstack/react-query';
import type { FleetTarget } from '../act/fleet-target.js';
import { client } from '../api/client.js';

/** How many endpoints a target has, as the server counts them when a panel opens; undefined until it has, and `error` where it cannot. */
export function useReach(target: FleetTarget): {
  readonly count: number | undefined;
  readonly isDestructive: false;
  readonly error: unknown;
  readonly again: () => void;
} {
  const selector = target.kind === 'selector' ? target.selector : '';
  const counted = useQuery({
    queryKey: ['agents', 'count', selector],
    queryFn: ({ signal }) => client.call('GET /v1/agents', { query: { selector, counts: '', limit: 1 }, signal }),
    enabled: target.kind === 'selector',
    // While a panel is open the number that is typed stays the same.
    staleTime: Infinity,
    gcTime: 0,
  });
  const again = (): void => void counted.refetch();
  if (target.kind === 'agents') return { count: target.agentIds.length, isDestructive: false, error: null, again };
  return { count: counted.data?.counts?.total, isDestructive: false, error: counted.error, again };
}
