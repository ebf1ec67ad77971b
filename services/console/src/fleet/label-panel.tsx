import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { plural } from '../text/numbers.js';
import { Button, TextField } from '../ui/controls.js';
import { Failure, Notice } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import type { FleetTarget } from '../act/fleet-target.js';
import { selectorsOf } from '../act/fleet-target.js';
import styles from './fleet.module.css';

/** Sets and removes labels of many endpoints in one go. */
export function LabelPanel({ target, onClose }: { target: FleetTarget; onClose: () => void }) {
  const [set, setSet] = useState('');
  const [remove, setRemove] = useState('');
  const queryClient = useQueryClient();
  const change = useMutation({
    mutationFn: async () => {
      const edited = { matched: 0, changed: 0, unchanged: 0, failed: 0 };
      for (const selector of selectorsOf(target)) {
        const body = { selector, set: labelsOf(set), remove: wordsOf(remove) };
        const told = await client.call('POST /v1/agents/labels', { body, idempotencyKey: crypto.randomUUID() });
        for (const name of ['matched', 'changed', 'unchanged', 'failed'] as const) edited[name] += told[name];
      }
      return edited;
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['labels'] }),
  });
  return (
    <Panel kind="dialog" title="Labels" onClose={onClose}>
      <div className={styles['fields']}>
        <TextField label="Set" value={set} onChange={setSet} placeholder="env=prod site=fra" autoFocus />
        <TextField label="Remove" value={remove} onChange={setRemove} placeholder="quarantined" />
        {change.error !== null && <Failure error={change.error} />}
        {change.data !== undefined && (
          <Notice>
            {plural(change.data.matched, 'endpoint')}: {change.data.changed} changed, {change.data.unchanged} were so
            already
            {change.data.failed > 0 && `, ${change.data.failed} failed: set them again`}.
          </Notice>
        )}
        <Button
          look="primary"
          isDisabled={change.isPending || (set.trim() === '' && remove.trim() === '')}
          onPress={() => change.mutate()}
        >
          Set labels of {target.kind === 'agents' ? plural(target.agentIds.length, 'endpoint') : 'all that match'}
        </Button>
      </div>
    </Panel>
  );
}

function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    wordsOf(text).map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}
