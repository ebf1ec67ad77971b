import type { SignInWaysJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';

/** How one can sign in here; undefined until the server has said so. */
export function useWays(): SignInWaysJson | undefined {
  return useQuery({
    queryKey: ['ways'],
    queryFn: ({ signal }) => client.call('GET /v1/session/ways', { signal }),
  }).data;
}
