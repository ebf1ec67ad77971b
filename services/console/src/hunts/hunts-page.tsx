import type { QueryJson } from '@muster/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime } from '../preferences/time.js';
import { useFollow } from '../stream/use-stream.js';
import { whole } from '../text/numbers.js';
import { Select } from '../ui/controls.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './hunts.module.css';

const SHOWN = 200;
const REFRESH_MS = 15_000;
const KINDS = [
  { id: 'all', label: 'questions and hunts' },
  { id: 'hunts', label: 'hunts only' },
  { id: 'running', label: 'what runs now' },
];

/** Hunts and questions of the last week: each leads to its result. */
export default function HuntsPage() {
  const [kind, setKind] = useState('all');
  const time = useTime();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  useFollow({ kind: 'queries' }, ({ event }) => {
    if (event === 'query') void queryClient.invalidateQueries({ queryKey: ['queries'] });
  });
  const queries = useQuery({
    queryKey: ['queries', 'all', kind === 'running'],
    queryFn: ({ signal }) =>
      client.call('GET /v1/queries', {
        query: { limit: SHOWN, ...(kind === 'running' ? { state: 'running' as const } : {}) },
        signal,
      }),
    refetchInterval: REFRESH_MS,
  });
  const items = (queries.data?.items ?? []).filter(({ waitUntil }) => kind !== 'hunts' || waitUntil !== undefined);
  const columns = useMemo<readonly GridColumn<QueryJson>[]>(
    () => [
      { id: 'at', name: 'asked', size: 164, cell: ({ createdAt }) => time.full(createdAt) },
      { id: 'state', name: 'state', size: 96, cell: ({ state }) => state },
      {
        id: 'wait',
        name: 'waits until',
        size: 164,
        cell: ({ waitUntil }) => (waitUntil === undefined ? '' : time.full(waitUntil)),
      },
      {
        id: 'sql',
        name: 'question',
        size: 380,
        isMono: true,
        cell: ({ sql, pack }) => (
          <VisibleText text={pack === undefined ? sql.replaceAll(/\s+/g, ' ') : `scan with ${pack.id}`} max={200} />
        ),
      },
      {
        id: 'selector',
        name: 'of',
        size: 170,
        isMono: true,
        cell: ({ selector }) => <VisibleText text={selector === '' ? 'all endpoints' : selector} max={100} />,
      },
      { id: 'targeted', name: 'targeted', size: 84, isNumber: true, cell: ({ ledger }) => whole(ledger.targeted) },
      {
        id: 'answered',
        name: 'answered',
        size: 84,
        isNumber: true,
        cell: ({ ledger }) => whole(ledger.answered + ledger.empty),
      },
      {
        id: 'away',
        name: 'away',
        size: 70,
        isNumber: true,
        cell: ({ ledger }) => (ledger.away === undefined ? '' : whole(ledger.away)),
      },
      { id: 'rows', name: 'rows', size: 80, isNumber: true, cell: ({ rows }) => whole(rows) },
      { id: 'by', name: 'by', size: 120, cell: ({ operator }) => <VisibleText text={operator.name} max={60} /> },
    ],
    [time],
  );
  return (
    <div className={styles['page']}>
      <div className={styles['tools']}>
        <h1>Hunts</h1>
        <Select label="Which" isLabelHidden value={kind} choices={KINDS} onChange={setKind} />
      </div>
      {queries.error !== null && <Failure error={queries.error} onRetry={() => void queries.refetch()} />}
      {queries.data === undefined && queries.error === null && <Waiting what="Reading questions…" />}
      {queries.data !== undefined && items.length === 0 && (
        <Empty title={kind === 'hunts' ? 'No hunts in the last week' : 'Nothing was asked'}>
          <p>A hunt is a question that waits for absent endpoints: choose how long in Ask, and run it.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Questions"
            columns={columns}
            length={items.length}
            rowAt={(place) => items[place]}
            onOpen={({ id, pack }) =>
              void (pack === undefined
                ? navigate({ to: '/ask/$queryId', params: { queryId: id } })
                : navigate({ to: '/scans/$scanId', params: { scanId: id } }))
            }
          />
        </div>
      )}
      {queries.data?.nextCursor !== undefined && <p className={styles['soft']}>The newest {SHOWN} are shown.</p>}
    </div>
  );
}
