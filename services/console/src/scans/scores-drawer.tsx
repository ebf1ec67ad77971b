import type { ScanJson, ScanScoreJson } from '@muster/api-contract';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client } from '../api/client.js';
import { plural, whole } from '../text/numbers.js';
import { Button, Select } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { Score } from './outcome-bar.js';
import styles from './scans.module.css';

const PAGE = 200;

/** The score of each endpoint of a scan, or of each value of a label, the worst first. */
export function ScoresDrawer({ scan: { id }, onClose }: { scan: ScanJson; onClose: () => void }) {
  const [by, setBy] = useState('');
  const labels = useQuery({
    queryKey: ['labels'],
    queryFn: ({ signal }) => client.call('GET /v1/labels', { signal }),
    staleTime: 60_000,
  });
  const pages = useInfiniteQuery({
    queryKey: ['scan', id, 'scores', by],
    queryFn: ({ pageParam, signal }) =>
      client.call('GET /v1/scans/{id}/scores', {
        params: { id },
        query: { limit: PAGE, ...(by === '' ? {} : { by }), ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const isWhole = pages.data?.pages.every((page) => page.isWhole) !== false;
  const choices = ['os', 'arch', 'version', ...(labels.data?.items ?? []).map(({ key }) => key)];
  return (
    <Panel kind="drawer" title="Scores" onClose={onClose}>
      <Select
        label="Of each"
        value={by}
        choices={[{ id: '', label: 'endpoint' }, ...[...new Set(choices)].map((name) => ({ id: name, label: name }))]}
        onChange={setBy}
      />
      {pages.error !== null && <Failure error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.data === undefined && pages.error === null && <Waiting what="Counting…" />}
      {!isWhole && (
        <Notice tone="warning">
          This scan did not keep who has which outcome: not all are here, and scores are of what was kept. A scan with
          `--detail endpoints` keeps all.
        </Notice>
      )}
      {pages.data !== undefined && items.length === 0 && <p className={styles['soft']}>None is known.</p>}
      {items.map((one) => (
        <ScoreLine key={`${one.num}/${one.value}`} of={one} />
      ))}
      {pages.hasNextPage && (
        <div>
          <Button small isDisabled={pages.isFetchingNextPage} onPress={() => void pages.fetchNextPage()}>
            {pages.isFetchingNextPage ? 'Reading…' : `More after these ${whole(items.length)}`}
          </Button>
        </div>
      )}
    </Panel>
  );
}

function ScoreLine({ of }: { of: ScanScoreJson }) {
  const { num, agentId, host, value, endpoints, score, fail, excepted } = of;
  return (
    <div className={styles['trend']}>
      <b>
        <Score score={score} />
      </b>
      <span>
        {endpoints === undefined ? (
          <Name num={num} agentId={agentId} host={host} />
        ) : (
          <>
            <VisibleText text={value ?? 'without a value'} max={80} />{' '}
            <span className={styles['soft']}>{plural(endpoints, 'endpoint')}</span>
          </>
        )}{' '}
        <span className={styles['soft']}>
          {whole(fail)} {fail === 1 ? 'fails' : 'fail'}
          {excepted > 0 && `, ${whole(excepted)} of them excepted`}
        </span>
      </span>
    </div>
  );
}

function Name({ num, agentId, host }: Pick<ScanScoreJson, 'num' | 'agentId' | 'host'>) {
  if (typeof agentId !== 'string') return `#${num}`;
  return (
    <Link to="/fleet/$agentId" params={{ agentId }}>
      <VisibleText text={host ?? `#${num}`} max={80} />
    </Link>
  );
}
