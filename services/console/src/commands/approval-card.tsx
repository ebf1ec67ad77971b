import type { CommandJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useCan, useMe } from '../session/session.js';
import { plural } from '../text/numbers.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './commands.module.css';

const EXAMPLES = 8;

/** One command that waits for a second person: what exactly will happen, and the decision. */
export function ApprovalCard({ command }: { command: CommandJson }) {
  const { id, action, params, operator, approval, reason, ledger, submittedAt, expiresAt } = command;
  const [why, setWhy] = useState('');
  const time = useTime();
  const can = useCan();
  const { me } = useMe();
  const queryClient = useQueryClient();
  const after = { onSettled: () => queryClient.invalidateQueries({ queryKey: ['commands'] }) };
  const approve = useMutation({
    mutationFn: () => client.call('POST /v1/commands/{id}/approve', { params: { id }, body: {} }),
    ...after,
  });
  const reject = useMutation({
    mutationFn: () =>
      client.call('DELETE /v1/commands/{id}', {
        params: { id },
        query: why.trim() === '' ? {} : { reason: why.trim() },
      }),
    ...after,
  });
  const targets = useQuery({
    queryKey: ['command', id, 'first'],
    queryFn: ({ signal }) =>
      client.call('GET /v1/commands/{id}/targets', { params: { id }, query: { limit: EXAMPLES }, signal }),
  });
  const isOwn = me?.id === operator.id;
  return (
    <article className={styles['approval']} aria-label={`${action} for ${ledger.targeted} targets`}>
      <div className={styles['title']}>
        <Link to="/commands/$commandId" params={{ commandId: id }}>
          <b>{action}</b>
        </Link>
        <span>on {plural(ledger.targeted, 'target')}</span>
        <span className={styles['soft']}>
          by <VisibleText text={operator.name} max={60} /> at {time.full(submittedAt)}, expires {time.full(expiresAt)}
        </span>
      </div>
      <code className={styles['params']}>
        <VisibleText text={JSON.stringify(params)} max={1_000} />
      </code>
      {reason !== undefined && (
        <p>
          Reason: <VisibleText text={reason} max={500} />
        </p>
      )}
      <p className={styles['soft']}>
        Needs {approval?.role}: <VisibleText text={approval?.why ?? ''} />. Among the targets:{' '}
        <VisibleText text={(targets.data?.items ?? []).map(({ host }) => host ?? 'not known').join(', ')} max={300} />
        {ledger.targeted > EXAMPLES && ' …'}
      </p>
      {(approve.error ?? reject.error) !== null && <Failure error={approve.error ?? reject.error} />}
      {isOwn ? (
        <p className={styles['soft']}>You ordered it, so somebody else must approve it.</p>
      ) : (
        can('commands:approve') && (
          <div className={styles['decide']}>
            <TextField label="Why it is rejected" value={why} onChange={setWhy} />
            <Button look="danger" isDisabled={reject.isPending} onPress={() => reject.mutate()}>
              Reject
            </Button>
            <Button look="primary" isDisabled={approve.isPending} onPress={() => approve.mutate()}>
              Approve for {plural(ledger.targeted, 'target')}
            </Button>
          </div>
        )
      )}
    </article>
  );
}
