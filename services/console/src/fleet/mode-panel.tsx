import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { plural } from '../text/numbers.js';
import { Select, TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import type { FleetTarget } from '../act/fleet-target.js';
import { FleetConfirm } from './fleet-confirm.js';
import styles from './fleet.module.css';

const MODES = [
  { id: 'live', label: 'Live: a WebSocket, answers at once' },
  { id: 'poll', label: 'Poll: asks at an interval' },
  { id: 'default', label: 'As the policy says' },
];
const INTERVALS = ['', '1s', '5s', '15s', '1m', '5m', '15m', '1h'];
const LEASES = ['', '1h', '8h', '24h', '7d'];

type Mode = 'live' | 'poll' | 'default';

/** Orders endpoints to use Live or Poll. */
export function ModePanel({ target: given, onClose }: { target: FleetTarget; onClose: () => void }) {
  const [target] = useState(given);
  const [mode, setMode] = useState<Mode>('live');
  const [interval, setInterval] = useState('');
  const [lease, setLease] = useState('');
  const [reason, setReason] = useState('');
  const queryClient = useQueryClient();
  const sentOnce = useSentOnce();
  const change = useMutation({
    mutationFn: () => {
      const body = {
        mode,
        ...(target.kind === 'selector' ? { selector: target.selector } : { agentIds: [...target.agentIds] }),
        ...(interval === '' || mode !== 'poll' ? {} : { interval }),
        ...(lease === '' || mode === 'default' ? {} : { for: lease }),
        ...(reason.trim() === '' ? {} : { reason }),
      };
      return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/agents/mode', { body, idempotencyKey }));
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['agent'] }),
  });
  const told = change.data;
  return (
    <Panel kind="dialog" title="Live or Poll" onClose={onClose}>
      <div className={styles['fields']}>
        <Select label="Channel" value={mode} choices={MODES} onChange={(id) => setMode(id as Mode)} />
        {mode === 'poll' && (
          <Select
            label="How often it asks"
            value={interval}
            choices={INTERVALS.map((id) => ({ id, label: id === '' ? 'as the policy says' : `every ${id}` }))}
            onChange={setInterval}
          />
        )}
        {mode !== 'default' && (
          <Select
            label="For how long"
            value={lease}
            choices={LEASES.map((id) => ({ id, label: id === '' ? 'until it is changed' : id }))}
            onChange={setLease}
          />
        )}
        <TextField label="Reason, for the audit record" value={reason} onChange={setReason} />
        {change.error !== null && <Failure error={change.error} />}
        {told !== undefined && (
          <Notice>
            {plural(told.matched, 'endpoint')}: {told.changed} changed, {told.unchanged} were so already.{' '}
            {told.connected.live ?? '?'} hear of it now, {told.connected.poll ?? '?'} at their next poll,{' '}
            {told.connected.offline ?? '?'} when they return.
          </Notice>
        )}
        <FleetConfirm
          target={target}
          what="Order it for"
          isDisabled={change.isPending}
          onConfirm={() => change.mutate()}
        />
      </div>
    </Panel>
  );
}
