import type { CommandJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useActions } from '../act/use-action.js';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { approvalBar } from '../session/may-approve.js';
import { useCan, useMe } from '../session/session.js';
import { plural } from '../text/numbers.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { NumberField } from '../ui/number-field.js';
import { isConfirmed, type Reach } from '../ui/typed-number.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './commands.module.css';

const EXAMPLES = 8;

/** One command that waits for a second person: what exactly will happen, and the decision. */
export function ApprovalCard({ command }: { command: CommandJson }) {
  const { id, action, params, operator, approval, reason, ledger, submittedAt, expiresAt } = command;
  const time = useTime();
  const targets = useQuery({
    queryKey: ['command', id, 'first'],
    queryFn: ({ signal }) =>
      client.call('GET /v1/commands/{id}/targets', { params: { id }, query: { limit: EXAMPLES }, signal }),
  });
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
      {targets.error !== null && <Failure error={targets.error} onRetry={() => void targets.refetch()} />}
      <Decision command={command} />
    </article>
  );
}

/** Approve and reject. To reject one needs to be allowed to decide, and not the role that the approval needs. */
function Decision({ command }: { command: CommandJson }) {
  const { id, approval, ledger } = command;
  const [why, setWhy] = useState('');
  const [typed, setTyped] = useState('');
  const { me } = useMe();
  const can = useCan();
  const actions = useActions();
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
  const bar = approvalBar(me, command);
  if (bar === 'own') return <p className={styles['soft']}>You ordered it, so somebody else must approve it.</p>;
  if (bar === 'permission') return null;
  // What is not in the catalogue is an undo, which destroys nothing.
  const isDestructive = actions.data?.items.some(({ name, destructive }) => name === command.action && destructive);
  const reach: Reach = { count: ledger.targeted, isDestructive };
  const error = approve.error ?? reject.error;
  return (
    <>
      {error !== null && <Failure error={error} />}
      {bar === undefined && actions.error !== null && (
        <Failure error={actions.error} onRetry={() => void actions.refetch()} />
      )}
      {bar === 'role' && <p className={styles['soft']}>Your role does not approve it: it needs {approval?.role}.</p>}
      <div className={styles['decide']}>
        {can('commands:cancel') && (
          <>
            <TextField label="Why it is rejected" value={why} onChange={setWhy} />
            <Button look="danger" isDisabled={reject.isPending} onPress={() => reject.mutate()}>
              Reject
            </Button>
          </>
        )}
        {bar === undefined && (
          <>
            <NumberField reach={reach} what={['to approve it for', 'targets']} typed={typed} onTyped={setTyped} />
            <Button
              look="primary"
              isDisabled={approve.isPending || !isConfirmed(reach, typed)}
              onPress={() => approve.mutate()}
            >
              Approve for {plural(ledger.targeted, 'target')}
            </Button>
          </>
        )}
      </div>
    </>
  );
}
