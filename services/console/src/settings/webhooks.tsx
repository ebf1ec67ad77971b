import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { useTime } from '../preferences/time.js';
import { Button, Checkbox, TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './settings.module.css';

const EVENTS = [
  'agent.enrolled',
  'agent.revoked',
  'health.changed',
  'query.ended',
  'command.approval_wanted',
  'command.ended',
  'isolation.begun',
  'isolation.ended',
  'scan.regressed',
  'audit.recorded',
] as const;
type Event = (typeof EVENTS)[number];

/** Webhooks: where events are posted. */
export function Webhooks() {
  const time = useTime();
  const queryClient = useQueryClient();
  const [url, setUrl] = useState('');
  const [events, setEvents] = useState<readonly Event[]>(['command.ended']);
  const again = { onSuccess: () => queryClient.invalidateQueries({ queryKey: ['webhooks'] }) };
  const webhooks = useQuery({
    queryKey: ['webhooks'],
    queryFn: ({ signal }) => client.all('GET /v1/webhooks', { signal }),
  });
  const sentOnce = useSentOnce();
  const create = useMutation({
    mutationFn: () => {
      const body = { url: url.trim(), events: [...events] };
      return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/webhooks', { body, idempotencyKey }));
    },
    ...again,
  });
  const remove = useMutation({
    mutationFn: (id: string) => client.call('DELETE /v1/webhooks/{id}', { params: { id } }),
    ...again,
  });
  const test = useMutation({
    mutationFn: (id: string) => client.call('POST /v1/webhooks/{id}/test', { params: { id } }),
  });
  const error = webhooks.error ?? create.error ?? remove.error ?? test.error;
  return (
    <section className={styles['section']} aria-label="Webhooks">
      <h2>Webhooks</h2>
      <div className={styles['fields']}>
        <TextField label="Post events to" value={url} onChange={setUrl} placeholder="https://…" />
        <Button
          isDisabled={url.trim() === '' || events.length === 0 || create.isPending}
          onPress={() => create.mutate()}
        >
          Make a webhook
        </Button>
      </div>
      <div className={styles['ticks']}>
        {EVENTS.map((event) => (
          <Checkbox
            key={event}
            isSelected={events.includes(event)}
            onChange={(isOn) => setEvents(isOn ? [...events, event] : events.filter((one) => one !== event))}
          >
            {event}
          </Checkbox>
        ))}
      </div>
      {create.data?.secret !== undefined && (
        <Notice tone="warning">
          <span>
            Its secret, shown this once: <code>{create.data.secret}</code>
          </span>
          <Button small onPress={() => create.reset()}>
            Hide
          </Button>
        </Notice>
      )}
      {test.data !== undefined && <Notice>A test event is on its way.</Notice>}
      {error !== null && <Failure error={error} />}
      {(webhooks.data ?? []).map((hook) => (
        <div key={hook.id} className={styles['item']}>
          <b>
            <VisibleText text={hook.url} max={120} />
          </b>
          <span className={styles['note']}>
            {hook.events.join(', ')}, since {time.full(hook.createdAt)}
          </span>
          <Button small onPress={() => test.mutate(hook.id)}>
            Test
          </Button>
          <Button small look="danger" onPress={() => remove.mutate(hook.id)}>
            Delete
          </Button>
        </div>
      ))}
    </section>
  );
}
