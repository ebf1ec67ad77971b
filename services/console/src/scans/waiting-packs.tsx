import type { PackProposalJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useCan, useMe } from '../session/session.js';
import { plural, whole } from '../text/numbers.js';
import { Button, TextField } from '../ui/controls.js';
import { download } from '../ui/download.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './scans.module.css';

const LOOK_MS = 15_000;
/** Of a longer text the rest is in the file. */
const SHOWN_LINES = 3_000;

/** Versions of packs that wait for another admin. Nothing is shown where none waits. */
export function WaitingPacks() {
  const [open, setOpen] = useState<string>();
  const time = useTime();
  const waiting = useQuery({
    queryKey: ['packs', 'waiting'],
    queryFn: ({ signal }) => client.call('GET /v1/pack-proposals', { signal }),
    refetchInterval: LOOK_MS,
  });
  const items = waiting.data?.items ?? [];
  return (
    <>
      {waiting.error !== null && <Failure error={waiting.error} onRetry={() => void waiting.refetch()} />}
      {items.length > 0 && (
        <section aria-label="Packs that wait for another admin" className={styles['packs']}>
          {items.map(({ id, version, title, checks, requestedBy, requestedAt, expiresAt }) => (
            <button key={id} type="button" className={styles['pack']} onClick={() => setOpen(id)}>
              <span>
                <b>{id}</b> <span className={styles['soft']}>{version}</span> waits for another admin
              </span>
              <VisibleText text={title} max={200} />
              <small className={styles['soft']}>
                {plural(checks, 'check')}, asked for by <VisibleText text={requestedBy.name} max={60} /> at{' '}
                {time.full(requestedAt)}, until {time.full(expiresAt)}
              </small>
            </button>
          ))}
        </section>
      )}
      {open !== undefined && <WaitingDrawer id={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function WaitingDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  // What is read is what is decided on: another text that comes meanwhile does not take its place.
  const proposal = useQuery({
    queryKey: ['pack-proposal', id],
    queryFn: ({ signal }) => client.call('GET /v1/pack-proposals/{id}', { params: { id }, signal }),
    ...{ staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false, refetchOnReconnect: false },
  });
  const { data } = proposal;
  const lines = data?.text.split('\n') ?? [];
  return (
    <Panel kind="drawer" title={`${id}, which waits`} onClose={onClose}>
      {proposal.error !== null && <Failure error={proposal.error} />}
      {data === undefined && proposal.error === null && <Waiting what="Reading the text…" />}
      {data !== undefined && (
        <>
          <p>
            Version {data.version}, {plural(data.checks, 'check')}. It needs another admin:{' '}
            <VisibleText text={data.why} max={300} />. SHA-256 of the text:{' '}
            <code className={styles['digest']}>{data.digest}</code>
          </p>
          <Decision proposal={data} onDone={onClose} />
          <Button
            small
            onPress={() => download(new Blob([data.text], { type: 'application/yaml' }), `${id}-${data.version}.yaml`)}
          >
            Save as YAML
          </Button>
          <pre className={styles['text']} tabIndex={0} aria-label="The text of the pack">
            {lines.slice(0, SHOWN_LINES).map((line, at) => (
              <span key={at}>
                <VisibleText text={line} max={2_000} />
                {'\n'}
              </span>
            ))}
            {lines.length > SHOWN_LINES && `… ${whole(lines.length - SHOWN_LINES)} more lines are in the file`}
          </pre>
        </>
      )}
    </Panel>
  );
}

/** Another admin approves or rejects the text that was read; who asked for it withdraws it. */
function Decision({ proposal, onDone }: { proposal: PackProposalJson; onDone: () => void }) {
  const { id, digest, requestedBy, checks } = proposal;
  const [why, setWhy] = useState('');
  const { me } = useMe();
  const can = useCan();
  const queryClient = useQueryClient();
  const done = {
    onSuccess: async () => {
      onDone();
      await queryClient.invalidateQueries({ queryKey: ['packs'] });
      await queryClient.invalidateQueries({ queryKey: ['pack', id] });
    },
  };
  const approve = useMutation({
    mutationFn: () => client.call('POST /v1/pack-proposals/{id}/approve', { params: { id }, body: { digest } }),
    ...done,
  });
  const reject = useMutation({
    mutationFn: () =>
      client.call('POST /v1/pack-proposals/{id}/reject', {
        params: { id },
        body: { digest, ...(why.trim() === '' ? {} : { reason: why.trim() }) },
      }),
    ...done,
  });
  if (!can('packs:apply')) return null;
  const error = approve.error ?? reject.error;
  const isOwn = me?.id === requestedBy.id;
  return (
    <>
      {error !== null && <Failure error={error} />}
      {isOwn && <p className={styles['soft']}>You asked for it, so another admin must approve it.</p>}
      <div className={styles['tools']}>
        <TextField label={isOwn ? 'Why it is withdrawn' : 'Why it is rejected'} value={why} onChange={setWhy} />
        <Button look="danger" isDisabled={reject.isPending || approve.isPending} onPress={() => reject.mutate()}>
          {isOwn ? 'Withdraw it' : 'Reject it'}
        </Button>
        {!isOwn && (
          <Button look="primary" isDisabled={approve.isPending || reject.isPending} onPress={() => approve.mutate()}>
            Approve {plural(checks, 'check')}
          </Button>
        )}
      </div>
    </>
  );
}
