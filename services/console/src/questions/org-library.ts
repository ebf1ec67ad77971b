import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useCan } from '../session/session.js';
import { sharedQuestion, type QuestionBody } from './shared-question.js';

/** The saved questions of the org. Empty for those who may not read them. */
export function useLibrary() {
  const can = useCan();
  return useQuery({
    queryKey: ['questions'],
    queryFn: async ({ signal }) => (await client.all('GET /v1/questions', { signal })).map(sharedQuestion),
    enabled: can('questions:read'),
    staleTime: 30_000,
  });
}

/** Saves a question in the library, and removes one from it. */
export function useLibraryChanges() {
  const queryClient = useQueryClient();
  const again = { onSettled: () => queryClient.invalidateQueries({ queryKey: ['questions'] }) };
  const save = useMutation({
    mutationFn: ({ name, body }: { name: string; body: QuestionBody }) =>
      client.call('PUT /v1/questions/{name}', { params: { name }, body, idempotencyKey: crypto.randomUUID() }),
    ...again,
  });
  const remove = useMutation({
    mutationFn: ({ name, version }: { name: string; version: number }) =>
      client.call('DELETE /v1/questions/{name}', { params: { name }, query: { version: String(version) } }),
    ...again,
  });
  return { save, remove };
}
