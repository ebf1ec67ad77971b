import type { ActionJson } from '@muster/api-contract';
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

/** An action by its name; undefined also while the catalogue is read. */
export function useActionOf(name: string): ActionJson | undefined {
  return useActions().data?.items.find((action) => action.name === name);
}
