import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { useTime } from '../preferences/time.js';
import { LiveCount, useLiveCounts } from '../selector/live-count.js';
import { SelectorBox, selectorFault } from '../selector/selector-box.js';
import { Button, Select, TextField } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { cronFault, MOMENTS } from './schedule-text.js';
import styles from './schedules.module.css';

const JITTERS = [
  { id: '', label: 'at that very moment' },
  ...['5m', '30m', '1h', '4h'].map((id) => ({ id, label: `up to ${id} later, chosen anew each time` })),
];
const WAITS = [
  { id: '', label: 'connected ones only' },
  ...['1h', '24h', '7d'].map((id) => ({ id, label: `absent ones too, for ${id}` })),
];
const OTHER = '';

/** What the form says. */
interface Form {
  readonly name: string;
  readonly pack: string;
  readonly selector: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly jitter: string;
  readonly wait: string;
}

/** Makes a schedule: which pack, on which endpoints, and when. */
export function NewSchedule({ packs, onClose }: { packs: readonly string[]; onClose: () => void }) {
  const { zone } = useTime();
  const queryClient = useQueryClient();
  const [form, setForm] = useState<Form>({
    ...{ name: '', pack: packs[0] ?? '', selector: '', cron: '0 2 * * *', timeZone: zone, jitter: '', wait: '' },
  });
  const change = (part: Partial<Form>): void => setForm({ ...form, ...part });
  const live = useLiveCounts(form.selector);
  const isGood = selectorFault(form.selector) === undefined && cronFault(form.cron) === undefined;
  const sentOnce = useSentOnce();
  const create = useMutation({
    mutationFn: () => {
      const body = bodyOf(form);
      return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/schedules', { body, idempotencyKey }));
    },
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['schedules'] });
    },
  });
  return (
    <Panel kind="dialog" title="New schedule" onClose={onClose}>
      <div className={styles['fields']}>
        <TextField label="Name" value={form.name} onChange={(name) => change({ name })} autoFocus />
        <Select
          label="Pack, its newest version each time"
          value={form.pack}
          choices={packs.map((id) => ({ id, label: id }))}
          onChange={(pack) => change({ pack })}
        />
      </div>
      <div className={styles['where']}>
        <div className={styles['grow']}>
          <SelectorBox
            label="Which endpoints"
            isLabelShown
            value={form.selector}
            onChange={(selector) => change({ selector })}
          />
        </div>
        <LiveCount live={live} />
      </div>
      <Moments form={form} onChange={change} />
      {create.error !== null && <Failure error={create.error} />}
      <div className={styles['foot']}>
        <Button
          look="primary"
          isDisabled={!isGood || form.name.trim() === '' || form.timeZone.trim() === '' || create.isPending}
          onPress={() => create.mutate()}
        >
          {create.isPending ? 'Making it…' : 'Make the schedule'}
        </Button>
      </div>
    </Panel>
  );
}

function Moments({ form, onChange }: { form: Form; onChange: (part: Partial<Form>) => void }) {
  const [isOther, setOther] = useState(false);
  return (
    <div className={styles['fields']}>
      <Select
        label="When"
        value={isOther ? OTHER : form.cron}
        choices={MOMENTS.map((moment) => ({ ...moment }))}
        onChange={(id) => {
          setOther(id === OTHER);
          if (id !== OTHER) onChange({ cron: id });
        }}
      />
      {isOther && (
        <TextField
          label="Cron expression"
          value={form.cron}
          onChange={(cron) => onChange({ cron })}
          fault={cronFault(form.cron)}
          hint="minute, hour, day of month, month, day of week"
        />
      )}
      <TextField label="Time zone" value={form.timeZone} onChange={(timeZone) => onChange({ timeZone })} />
      <Select label="Jitter" value={form.jitter} choices={JITTERS} onChange={(jitter) => onChange({ jitter })} />
      <Select
        label="Waiting for absent endpoints"
        value={form.wait}
        choices={WAITS}
        onChange={(wait) => onChange({ wait })}
      />
    </div>
  );
}

function bodyOf({ name, pack, selector, cron, timeZone, jitter, wait }: Form) {
  return {
    ...{ name: name.trim(), pack, selector, cron: cron.trim(), timeZone: timeZone.trim() },
    ...(jitter === '' ? {} : { jitter }),
    ...(wait === '' ? {} : { wait }),
  };
}
