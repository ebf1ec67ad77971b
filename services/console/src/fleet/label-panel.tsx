import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { plural } from '../text/numbers.js';
import { TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import type { FleetTarget } from '../act/fleet-target.js';
import { selectorsOf } from '../act/fleet-target.js';
import { noticeEnd } from '../session/session.js';
import { editLabels, labelsOf, wordsOf, type EditOutcome } from './edit-labels.js';
import { FleetConfirm } from './fleet-confirm.js';
import styles from './fleet.module.css';

/** Sets and removes labels of many endpoints in one go. They are those of the moment when it opens. */
export function LabelPanel({ target: given, onClose }: { target: FleetTarget; onClose: () => void }) {
  const [target] = useState(given);
  const [set, setSet] = useState('');
  const [remove, setRemove] = useState('');
  const queryClient = useQueryClient();
  const sentOnce = useSentOnce();
  const change = useMutation({
    mutationFn: () =>
      editLabels(selectorsOf(target), (selector) => {
        const body = { selector, set: labelsOf(set), remove: wordsOf(remove) };
        return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/agents/labels', { body, idempotencyKey }));
      }),
    onSuccess: ({ error }) => {
      noticeEnd(error);
      return queryClient.invalidateQueries({ queryKey: ['labels'] });
    },
  });
  return (
    <Panel kind="dialog" title="Labels" onClose={onClose}>
      <div className={styles['fields']}>
        <TextField label="Set" value={set} onChange={setSet} placeholder="env=prod site=fra" autoFocus />
        <TextField label="Remove" value={remove} onChange={setRemove} placeholder="quarantined" />
        {change.error !== null && <Failure error={change.error} />}
        {change.data !== undefined && <Outcome {...change.data} />}
        <FleetConfirm
          target={target}
          what="Set labels of"
          isDisabled={change.isPending || (set.trim() === '' && remove.trim() === '')}
          onConfirm={() => change.mutate()}
        />
      </div>
    </Panel>
  );
}

function Outcome({ edited, calls, answered, error }: EditOutcome) {
  const { matched, changed, unchanged, failed } = edited;
  return (
    <>
      {(answered > 0 || error === undefined) && (
        <Notice>
          {plural(matched, 'endpoint')}: {changed} changed, {unchanged} were so already
          {failed > 0 && `, ${failed} failed: set them again`}.
        </Notice>
      )}
      {error !== undefined && (
        <>
          <Failure error={error} />
          {calls > 1 && (
            <Notice tone="warning">
              {answered} of {calls} parts were done before that. Set them again: what is done already stays as it is.
            </Notice>
          )}
        </>
      )}
    </>
  );
}
