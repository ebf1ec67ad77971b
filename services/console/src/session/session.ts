import { ApiProblem, type Answer } from '@muster/api-client';
import { QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useSyncExternalStore } from 'react';
import { pageStream } from '../stream/stream-port.js';
import { useLink } from '../stream/use-stream.js';
import { client, OtherPersonError } from '../api/client.js';
import { notePerson } from './reauthentication.js';

export type Me = Answer<'GET /v1/me'>;

/** Whether the session ended in mid-work: the page stays, and asks to sign in again. */
let ended = false;
const listeners = new Set<() => void>();

function setEnded(value: boolean): void {
  if (ended === value) return;
  ended = value;
  for (const listener of listeners) listener();
}

export function useSessionEnded(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => ended,
  );
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiProblem && error.status === 401;
}

/** Tells the page when the server does not know the session any more. Everything that calls the API passes its errors here. */
export function noticeEnd(error: unknown): void {
  if (isSignedOut(error)) setEnded(true);
}

/** The page belongs to who is signed in now: it finds out who that is, and then reads everything as them. */
async function readAnew(queryClient: QueryClient): Promise<void> {
  await queryClient.refetchQueries({ queryKey: ['me'] });
  await queryClient.invalidateQueries();
}

export function makeQueryClient(): QueryClient {
  const queryClient = new QueryClient({
    defaultOptions: { queries: { retry: false, staleTime: 5_000, refetchOnWindowFocus: true } },
  });
  let reading: Promise<void> | undefined;
  const noticeOther = (error: unknown): void => {
    if (!(error instanceof OtherPersonError)) return;
    // Once for all calls that were refused together.
    reading ??= readAnew(queryClient).finally(() => (reading = undefined));
  };
  queryClient.getQueryCache().config.onError = (error, query) => {
    // The first look at who this is shows the sign-in page by itself.
    if (query.queryKey[0] !== 'me' || query.state.data !== undefined) noticeEnd(error);
    noticeOther(error);
  };
  queryClient.getMutationCache().config.onError = (error) => {
    noticeEnd(error);
    noticeOther(error);
  };
  return queryClient;
}

export function useMe(): { readonly me: Me | undefined; readonly error: unknown; readonly isPending: boolean } {
  const { data, error, isPending } = useQuery({
    queryKey: ['me'],
    queryFn: async ({ signal }) => {
      const me = await client.call('GET /v1/me', { signal });
      notePerson(me);
      return me;
    },
    staleTime: 60_000,
  });
  return { me: data, error, isPending };
}

/** Whether this person may do something: the page shows only that, and the server enforces it. */
export function useCan(): (permission: string) => boolean {
  const { me } = useMe();
  return (permission) => me?.permissions.includes(permission) === true;
}

/** The name of the org, for people. */
export function useOrgName(): string {
  return useMe().me?.org ?? 'the org';
}

/**
 * The stream may be the first to hear that the session has ended. An ordinary call says whether it has: another tab may
 * have signed in since.
 */
export function useStreamSignedOut(): void {
  const queryClient = useQueryClient();
  const { state } = useLink();
  useEffect(() => {
    if (state !== 'signed_out') return;
    const look = async (): Promise<void> => {
      await queryClient.refetchQueries({ queryKey: ['me'] });
      if (!isSignedOut(queryClient.getQueryState(['me'])?.error)) pageStream().wake();
    };
    void look();
  }, [state, queryClient]);
}

/** To call after a sign-in: what was refused is asked again. */
export function useSignedIn(): () => Promise<void> {
  const queryClient = useQueryClient();
  return useCallback(async () => {
    setEnded(false);
    pageStream().wake();
    await readAnew(queryClient);
  }, [queryClient]);
}
