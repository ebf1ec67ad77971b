import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { WAITS } from '../ask/draft.js';
import { LiveCount, useLiveCounts } from '../selector/live-count.js';
import { SelectorBox, selectorFault } from '../selector/selector-box.js';
import { useCan } from '../session/session.js';
import { Button, Select } from '../ui/controls.js';
import { Failure } from '../ui/notice.js';
import { usePacks } from './scan-data.js';
import styles from './scans.module.css';

/** Runs a pack on a selection, and opens the scan. */
export function RunScan({ selector: given = '' }: { selector?: string }) {
  const packs = usePacks();
  const can = useCan();
  const navigate = useNavigate();
  const [pack, setPack] = useState('');
  const [selector, setSelector] = useState(given);
  const [wait, setWait] = useState('');
  const live = useLiveCounts(selector);
  const items = packs.data?.items ?? [];
  const chosen = pack === '' ? (items[0]?.id ?? '') : pack;
  const isGood = selectorFault(selector) === undefined;
  const sentOnce = useSentOnce();
  const start = useMutation({
    mutationFn: () => {
      const waitUntil = () => new Date(Date.now() + (WAITS[wait] ?? 0)).toISOString();
      return sentOnce.sendMade(
        [chosen, selector, wait],
        () => ({ pack: chosen, selector, ...(wait === '' ? {} : { waitUntil: waitUntil() }) }),
        (body, idempotencyKey) => client.call('POST /v1/scans', { body, idempotencyKey }),
      );
    },
    onSuccess: ({ id }) => void navigate({ to: '/scans/$scanId', params: { scanId: id } }),
  });
  const run = (): void => {
    if (chosen !== '' && isGood && !start.isPending && can('queries:run')) start.mutate();
  };
  if (!can('queries:run') || items.length === 0) return null;
  return (
    <form
      className={styles['run']}
      aria-label="Run a scan"
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
    >
      <Select
        label="Pack"
        isLabelHidden
        value={chosen}
        choices={items.map(({ id, version }) => ({ id, label: `${id} ${version}` }))}
        onChange={setPack}
      />
      <div className={styles['grow']}>
        <SelectorBox label="Which endpoints" value={selector} onChange={setSelector} onEnter={run} />
      </div>
      <LiveCount live={live} />
      <Select
        label="Waiting for absent endpoints"
        isLabelHidden
        value={wait}
        choices={[
          { id: '', label: 'connected ones only' },
          ...Object.keys(WAITS).map((id) => ({ id, label: `absent ones too, for ${id}` })),
        ]}
        onChange={setWait}
      />
      <Button look="primary" type="submit" isDisabled={start.isPending || !isGood || live.counts?.total === 0}>
        {start.isPending ? 'Starting…' : 'Run the scan'}
      </Button>
      {start.error !== null && <Failure error={start.error} />}
    </form>
  );
}
