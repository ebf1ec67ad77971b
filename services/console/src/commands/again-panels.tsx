import type { ActionJson, CommandJson } from '@muster/api-contract';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Suspense, useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { plural } from '../text/numbers.js';
import { Button, TextField } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { NumberField } from '../ui/number-field.js';
import { Panel } from '../ui/panel.js';
import { isConfirmed } from '../ui/typed-number.js';
import { AGAIN, againPreset, endpointsOf } from './again.js';
import styles from './commands.module.css';

const ActPanel = lazyPart(() => import('../act/act-panel.js').then(({ ActPanel: component }) => component));

/** The command once more, for those that failed: tried and confirmed as every command is. */
export function AgainPanel({
  command,
  action,
  onClose,
}: {
  command: CommandJson;
  action: ActionJson;
  onClose: () => void;
}) {
  const { id } = command;
  const failed = useQuery({
    queryKey: ['command', id, 'failed'],
    queryFn: ({ signal }) =>
      client.all('GET /v1/commands/{id}/targets', { params: { id }, query: { state: AGAIN.join() }, signal }),
    // While the panel is open it is for these.
    staleTime: Infinity,
    gcTime: 0,
  });
  const { agentIds, unnamed } = endpointsOf(failed.data ?? []);
  if (agentIds.length === 0)
    return (
      <Panel kind="dialog" title="Order again" onClose={onClose}>
        {failed.error !== null && <Failure error={failed.error} onRetry={() => void failed.refetch()} />}
        {failed.isPending && <Waiting what="Looking who failed…" />}
        {failed.isSuccess && <Empty title="You may see none of the endpoints that failed" />}
      </Panel>
    );
  return (
    <Suspense>
      <ActPanel
        target={{ kind: 'agents', agentIds }}
        platforms={[]}
        preset={againPreset(command, action)}
        onClose={onClose}
      >
        {unnamed > 0 && (
          <Notice tone="warning">{plural(unnamed, 'target')} left out: you may not see their endpoints.</Notice>
        )}
      </ActPanel>
    </Suspense>
  );
}

/** Takes a command back where it has succeeded. */
export function UndoPanel({ command, onClose }: { command: CommandJson; onClose: () => void }) {
  const { id, action, ledger } = command;
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const navigate = useNavigate();
  const sentOnce = useSentOnce();
  const undo = useMutation({
    mutationFn: () => {
      const body = reason.trim() === '' ? {} : { reason: reason.trim() };
      return sentOnce.send(body, (idempotencyKey) =>
        client.call('POST /v1/commands/{id}/undo', { params: { id }, body, idempotencyKey }),
      );
    },
    onSuccess: (undoing) => {
      onClose();
      void navigate({ to: '/commands/$commandId', params: { commandId: undoing.id } });
    },
  });
  const reach = { count: ledger.succeeded, isDestructive: false };
  return (
    <Panel kind="dialog" title={`Undo ${action} on ${plural(ledger.succeeded, 'target')}`} onClose={onClose}>
      <div className={styles['undo']}>
        <p>Each endpoint where it succeeded puts back what it has saved, and says so where it no longer can.</p>
        <TextField label="Reason, for who approves and for the audit record" value={reason} onChange={setReason} />
        <NumberField reach={reach} what={['to undo it on', 'targets']} typed={typed} onTyped={setTyped} />
        {undo.error !== null && <Failure error={undo.error} />}
        <Button look="danger" isDisabled={undo.isPending || !isConfirmed(reach, typed)} onPress={() => undo.mutate()}>
          Undo on {plural(ledger.succeeded, 'target')}
        </Button>
      </div>
    </Panel>
  );
}
