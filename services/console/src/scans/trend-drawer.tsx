import type { ScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type uPlot from 'uplot';
import { client } from '../api/client.js';
import { usePreferences } from '../preferences/preferences.js';
import { useTime } from '../preferences/time.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { Plot, plotLook } from '../ui/plot.js';
import { VisibleText } from '../ui/visible-text.js';
import { Score } from './outcome-bar.js';
import { trendColumns } from './trend.js';
import styles from './scans.module.css';

const SCANS = 200;
const HEIGHT = 150;

/** How the score of a pack went: all scans of it with the same endpoints in scope. */
export function TrendDrawer({ scan, onClose }: { scan: ScanJson; onClose: () => void }) {
  const { pack, scope, selector } = scan;
  const time = useTime();
  const trend = useQuery({
    queryKey: ['scans', 'trend', pack.id, scope],
    queryFn: ({ signal }) => client.call('GET /v1/scans', { query: { pack: pack.id, scope, limit: SCANS }, signal }),
  });
  const items = trend.data?.items;
  return (
    <Panel kind="drawer" title={`The score of ${pack.id}`} onClose={onClose}>
      <p className={styles['soft']}>
        Scans of <VisibleText text={selector === '' ? 'all endpoints' : selector} max={200} />.
      </p>
      {trend.error !== null && <Failure error={trend.error} onRetry={() => void trend.refetch()} />}
      {items === undefined && trend.error === null && <Waiting what="Reading scans…" />}
      {items !== undefined && items.length > 1 && <Chart scans={items} />}
      {items?.map(({ id, createdAt, score, previous, changes, state, pack: { version } }) => (
        <div key={id} className={styles['trend']}>
          <b>
            <Score score={score} before={previous?.score} />
          </b>
          <span>
            <Link to="/scans/$scanId" params={{ scanId: id }} onClick={onClose}>
              {time.full(createdAt)}
            </Link>{' '}
            <span className={styles['soft']}>
              {version}
              {state !== 'complete' && `, ${state}`}
              {changes !== undefined && `, ${changes.fails.length} fail now, ${changes.mended.length} mended`}
            </span>
          </span>
        </div>
      ))}
      {trend.data?.nextCursor !== undefined && <p className={styles['soft']}>The newest are shown.</p>}
    </Panel>
  );
}

function Chart({ scans }: { scans: Parameters<typeof trendColumns>[0] }) {
  const { theme } = usePreferences();
  const { zone } = useTime();
  const columns = useMemo(() => trendColumns(scans), [scans]);
  // The colours of a theme are read when a chart is made.
  const make = useCallback((width: number) => optionsOf(width, zone), [zone, theme]);
  return <Plot make={make} columns={columns} height={HEIGHT} />;
}

function optionsOf(width: number, zone: string): uPlot.Options {
  const { axis, colour, options } = plotLook(zone);
  return {
    ...{ ...options, width, height: HEIGHT },
    scales: { y: { range: [0, 100] } },
    axes: [
      { ...axis, size: 34, space: 90 },
      { ...axis, size: 38, space: 28 },
    ],
    series: [
      {},
      {
        ...{ label: 'score', stroke: colour('tone-answered'), width: 1.6, spanGaps: true },
        points: { show: true, size: 5, fill: colour('tone-answered') },
      },
    ],
  };
}
