import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { useTime } from '../preferences/time.js';
import { SelectorBox, selectorFault } from '../selector/selector-box.js';
import { LiveCount, useLiveCounts } from '../selector/live-count.js';
import { useMe } from '../session/session.js';
import { Button, Select, TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { TERMS, untilOf, type Term } from './until.js';
import styles from './exceptions.module.css';

/** Accepts that a check fails on some endpoints, until a moment: who answers for it, and why. */
export function AcceptDialog({
  pack,
  check,
  selector: given,
  onClose,
}: {
  pack: string;
  check: string;
  /** Where it may fail, to begin with. */
  selector: string;
  onClose: () => void;
}) {
  const { me } = useMe();
  const time = useTime();
  const queryClient = useQueryClient();
  const [selector, setSelector] = useState(given);
  const [owner, setOwner] = useState(me?.name ?? '');
  const [reason, setReason] = useState('');
  const [term, setTerm] = useState<Term>('90d');
  const live = useLiveCounts(selector);
  const fault = selectorFault(selector);
  const sentOnce = useSentOnce();
  const accept = useMutation({
    mutationFn: () => {
      const said = { pack, check, selector, owner: owner.trim(), reason: reason.trim() };
      return sentOnce.sendMade(
        { ...said, term },
        () => ({ ...said, until: untilOf(term) }),
        (body, idempotencyKey) => client.call('POST /v1/exceptions', { body, idempotencyKey }),
      );
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['exceptions'] }),
  });
  if (accept.data !== undefined)
    return (
      <Panel kind="dialog" title="Accepted" onClose={onClose}>
        <Notice>
          Until {time.full(accept.data.until)} scans that end from now on show such failures of {check} as excepted.
          What is counted already stays as it is.
        </Notice>
        <div className={styles['foot']}>
          <Button onPress={onClose}>Close</Button>
        </div>
      </Panel>
    );
  return (
    <Panel kind="dialog" title={`Accept that ${check} fails`} onClose={onClose}>
      <p className={styles['soft']}>
        It stays visible as excepted, and is left out of the score. From its end on it counts again.
      </p>
      <div className={styles['where']}>
        <div className={styles['grow']}>
          <SelectorBox label="Where it may fail" isLabelShown value={selector} onChange={setSelector} />
        </div>
        <LiveCount live={live} />
      </div>
      <TextField label="Who answers for it: a person or a team" value={owner} onChange={setOwner} />
      <TextField label="Why it may fail" value={reason} onChange={setReason} rows={2} />
      <Select
        label="For how long"
        value={term}
        choices={TERMS.map((id) => ({ id, label: `${id}, until ${time.full(untilOf(id)).slice(0, 10)}` }))}
        onChange={(id) => setTerm(TERMS.find((one) => one === id) ?? term)}
      />
      {accept.error !== null && <Failure error={accept.error} />}
      <div className={styles['foot']}>
        <Button
          look="primary"
          isDisabled={fault !== undefined || owner.trim() === '' || reason.trim() === '' || accept.isPending}
          onPress={() => accept.mutate()}
        >
          Accept it
        </Button>
      </div>
    </Panel>
  );
}
