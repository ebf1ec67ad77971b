import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { Button } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './settings.module.css';

/** Where this person is signed in; each can be ended. */
export function Sessions() {
  const time = useTime();
  const queryClient = useQueryClient();
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => client.call('GET /v1/sessions', { signal }),
  });
  const end = useMutation({
    mutationFn: (id: string) => client.call('DELETE /v1/sessions/{id}', { params: { id } }),
    // Also after a failure: it may have ended, or be gone.
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['sessions'] }),
  });
  const { items = [] } = sessions.data ?? {};
  if (items.length === 0 && sessions.error === null) return null;
  return (
    <section className={styles['section']} aria-label="Sessions">
      <h2>Where you are signed in</h2>
      {sessions.error !== null && <Failure error={sessions.error} onRetry={() => void sessions.refetch()} />}
      {end.error !== null && <Failure error={end.error} />}
      {items.map((session) => (
        <div key={session.id} className={styles['item']}>
          <span>
            {session.current === true ? <b>this browser</b> : <VisibleText text={session.agent} max={70} />} from{' '}
            <VisibleText text={session.from} max={60} />, by {session.via}
          </span>
          <span className={styles['note']}>
            since {time.full(session.createdAt)}, last used {time.full(session.lastUsedAt)}
          </span>
          {session.current !== true && (
            <Button small look="danger" onPress={() => end.mutate(session.id)}>
              End
            </Button>
          )}
        </div>
      ))}
    </section>
  );
}
