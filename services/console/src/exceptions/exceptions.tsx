import type { ExceptionJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { Checkbox } from '../ui/controls.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './exceptions.module.css';

/** Checks that may fail somewhere until a moment, those that end first before the others. */
export function Exceptions() {
  const [withEnded, setWithEnded] = useState(false);
  const exceptions = useQuery({
    queryKey: ['exceptions', withEnded],
    queryFn: ({ signal }) =>
      client.call('GET /v1/exceptions', { query: { ended: withEnded ? 'include' : 'exclude' }, signal }),
    refetchInterval: 30_000,
  });
  const items = exceptions.data?.items;
  return (
    <>
      <div className={styles['tools']}>
        <Checkbox isSelected={withEnded} onChange={setWithEnded}>
          ended ones too
        </Checkbox>
      </div>
      {exceptions.error !== null && <Failure error={exceptions.error} onRetry={() => void exceptions.refetch()} />}
      {items === undefined && exceptions.error === null && <Waiting what="Reading exceptions…" />}
      {items?.length === 0 && (
        <Empty title="No check may fail">
          <p>
            An exception lets a check fail on some endpoints until a moment, with a reason. An admin makes one where a
            check of a scan fails.
          </p>
        </Empty>
      )}
      {items?.map((exception) => (
        <Exception key={exception.id} exception={exception} />
      ))}
    </>
  );
}

function Exception({ exception }: { exception: ExceptionJson }) {
  const { id, pack, check, selector, owner, reason, until, inForce, createdBy, createdAt } = exception;
  const time = useTime();
  const can = useCan();
  const queryClient = useQueryClient();
  const remove = useMutation({
    mutationFn: () => client.call('DELETE /v1/exceptions/{id}', { params: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['exceptions'] }),
  });
  return (
    <div className={styles['exception']}>
      <div>
        <b>{check}</b> <span className={styles['soft']}>of {pack}</span>, on{' '}
        <code>
          <VisibleText text={selector === '' ? 'all endpoints' : selector} max={200} />
        </code>
      </div>
      <span>
        <VisibleText text={reason} max={600} />
      </span>
      <span className={styles['soft']}>
        {inForce ? 'until' : 'ended at'} {time.full(until)}; <VisibleText text={owner} max={100} /> answers for it; made
        by <VisibleText text={createdBy.name} max={60} /> at {time.full(createdAt)}
      </span>
      {inForce && can('packs:apply') && (
        <ConfirmButton what="End it now" isDisabled={remove.isPending} onConfirm={() => remove.mutate()} />
      )}
      {remove.error !== null && <Failure error={remove.error} />}
    </div>
  );
}
