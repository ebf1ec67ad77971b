import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { Button } from '../ui/controls.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './settings.module.css';

interface SessionJson {
  readonly id: string;
  readonly via: string;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly from: string;
  readonly agent: string;
  readonly current?: boolean;
}

/** Where this person is signed in; each can be ended. */
export function Sessions() {
  const time = useTime();
  const queryClient = useQueryClient();
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: async () => {
      const response = await client.fetch('/v1/sessions');
      return response.ok ? ((await response.json()) as { readonly items?: readonly SessionJson[] }).items : [];
    },
  });
  const end = useMutation({
    mutationFn: (id: string) => client.fetch(`/v1/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['sessions'] }),
  });
  const items = sessions.data ?? [];
  if (items.length === 0) return null;
  return (
    <section className={styles['section']} aria-label="Sessions">
      <h2>Where you are signed in</h2>
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
