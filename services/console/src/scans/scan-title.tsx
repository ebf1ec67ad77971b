import type { ScanJson } from '@muster/api-contract';
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Suspense, useState } from 'react';
import { client } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { useTime } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { ActionMenu, Button } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import { download } from '../ui/download.js';
import { Failure } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { Score } from './outcome-bar.js';
import styles from './scans.module.css';

const TrendDrawer = lazyPart(() => import('./trend-drawer.js').then(({ TrendDrawer: component }) => component));
const ScoresDrawer = lazyPart(() => import('./scores-drawer.js').then(({ ScoresDrawer: component }) => component));

/** Formats of findings. */
const FORMATS = [
  { id: 'csv', label: 'CSV of all findings', note: 'formulas neutralised' },
  { id: 'ndjson', label: 'NDJSON' },
  { id: 'sarif', label: 'SARIF 2.1.0' },
  { id: 'ocsf', label: 'OCSF 2003' },
];

function fileName(id: string, format: string): string {
  return `${id}.${format === 'ocsf' ? 'ocsf.ndjson' : format}`;
}

/** What was scanned and its score, how that went until now, and scanning again. */
export function ScanTitle({ scan }: { scan: ScanJson }) {
  const time = useTime();
  const can = useCan();
  const navigate = useNavigate();
  const [opened, setOpened] = useState<'trend' | 'scores'>();
  const { id, pack, state, recorded, score, previous, selector, operator, createdAt } = scan;
  const cancel = useMutation({ mutationFn: () => client.call('DELETE /v1/queries/{id}', { params: { id } }) });
  const sentOnce = useSentOnce();
  const again = useMutation({
    mutationFn: () => {
      const body = { pack: pack.id, selector };
      return sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/scans', { body, idempotencyKey }));
    },
    onSuccess: (next) => void navigate({ to: '/scans/$scanId', params: { scanId: next.id } }),
  });
  return (
    <div className={styles['title']}>
      <div className={styles['score']}>
        <b>
          <Score score={score} before={previous?.score} />
        </b>
        <small>score</small>
      </div>
      <div className={styles['about']}>
        <h1>
          {pack.id} <span className={styles['soft']}>{pack.version}</span>
        </h1>
        <span className={styles['soft']}>
          {state}, by <VisibleText text={operator.name} max={60} /> at {time.full(createdAt)}, of{' '}
          <VisibleText text={selector === '' ? 'all endpoints' : selector} max={120} />
        </span>
      </div>
      {[cancel.error, again.error].map((error, at) => error !== null && <Failure key={at} error={error} />)}
      <Link to="/scans">All scans</Link>
      {recorded && (
        <>
          <Button small onPress={() => setOpened('trend')}>
            Trend
          </Button>
          <Button small onPress={() => setOpened('scores')}>
            Scores
          </Button>
          <ActionMenu
            label="Export"
            items={FORMATS}
            onAction={(format) => download(`/v1/scans/${id}/findings?format=${format}`, fileName(id, format))}
          />
        </>
      )}
      {state === 'running' && can('queries:cancel') && (
        <Button small look="danger" isDisabled={cancel.isPending} onPress={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
      {state !== 'running' && can('queries:run') && (
        <Button small isDisabled={again.isPending} onPress={() => again.mutate()}>
          Scan again
        </Button>
      )}
      {opened !== undefined && (
        <Suspense>
          {opened === 'trend' ? (
            <TrendDrawer scan={scan} onClose={() => setOpened(undefined)} />
          ) : (
            <ScoresDrawer scan={scan} onClose={() => setOpened(undefined)} />
          )}
        </Suspense>
      )}
    </div>
  );
}
