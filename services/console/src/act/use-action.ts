import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';

/** The catalogue, which does not change while an API runs. */
export function useActions() {
  return useQuery({
    queryKey: ['actions'],
    queryFn: ({ signal }) => client.call('GET /v1/actions', { signal }),
    staleTime: Infinity,
  });
}
