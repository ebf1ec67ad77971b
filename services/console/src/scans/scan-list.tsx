import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime, type TimeFormat } from '../preferences/time.js';
import { whole } from '../text/numbers.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { Score } from './outcome-bar.js';
import { useScans, type ListedScan } from './scan-data.js';
import styles from './scans.module.css';

/** What was scanned, the newest first; each leads to what it found. */
export function ScanList() {
  const { items, error, hasMore, again } = useScans();
  const time = useTime();
  const navigate = useNavigate();
  const columns = useMemo(() => columnsOf(time), [time]);
  return (
    <>
      {error !== null && <Failure error={error} onRetry={again} />}
      {items === undefined && error === null && <Waiting what="Reading scans…" />}
      {items?.length === 0 && (
        <Empty title="Nothing was scanned yet">
          <p>A scan runs a pack of checks on endpoints, and says what fails on how many, with the evidence.</p>
        </Empty>
      )}
      {items !== undefined && items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Scans"
            columns={columns}
            length={items.length}
            rowAt={(place) => items[place]}
            onOpen={({ id }) => void navigate({ to: '/scans/$scanId', params: { scanId: id } })}
          />
        </div>
      )}
      {hasMore && <p className={styles['soft']}>The newest are shown; `muster scan list` has all.</p>}
    </>
  );
}

function columnsOf(time: TimeFormat): readonly GridColumn<ListedScan>[] {
  const count = (value: number | undefined): string => (value === undefined ? '' : whole(value));
  return [
    { id: 'pack', name: 'pack', size: 150, cell: ({ pack }) => <b>{pack.id}</b> },
    { id: 'score', name: 'score', size: 96, isNumber: true, cell: scoreOf },
    { id: 'new', name: 'fails now', size: 84, isNumber: true, cell: ({ changes }) => count(changes?.fails.length) },
    { id: 'mended', name: 'mended', size: 76, isNumber: true, cell: ({ changes }) => count(changes?.mended.length) },
    { id: 'still', name: 'still fails', size: 84, isNumber: true, cell: ({ changes }) => count(changes?.still.length) },
    { id: 'at', name: 'started', size: 164, cell: ({ createdAt }) => time.full(createdAt) },
    { id: 'state', name: 'state', size: 92, cell: ({ state }) => state },
    {
      id: 'selector',
      name: 'of',
      size: 180,
      isMono: true,
      cell: ({ selector }) => <VisibleText text={selector === '' ? 'all endpoints' : selector} max={100} />,
    },
    { id: 'answered', name: 'scanned', size: 76, isNumber: true, cell: ({ ledger }) => whole(ledger.answered) },
    {
      id: 'missing',
      name: 'not scanned',
      size: 100,
      isNumber: true,
      cell: ({ ledger, offline }) => whole(ledger.targeted - ledger.answered + (ledger.away ?? offline)),
    },
    { id: 'version', name: 'version', size: 80, cell: ({ pack }) => pack.version },
    { id: 'by', name: 'by', size: 120, cell: ({ operator }) => <VisibleText text={operator.name} max={60} /> },
  ];
}

function scoreOf({ score, previous }: ListedScan) {
  return <Score score={score} before={previous?.score} />;
}
