import { useCallback, useRef, useState } from 'react';
import type uPlot from 'uplot';
import { usePreferences } from '../preferences/preferences.js';
import { useTime } from '../preferences/time.js';
import { useFollow } from '../stream/use-stream.js';
import { bytes, percent } from '../text/numbers.js';
import { Notice } from '../ui/notice.js';
import { Plot, plotLook } from '../ui/plot.js';
import { VisibleText } from '../ui/visible-text.js';
import { ChartData, CHARTS, type ChartColumns, type ChartKind } from './chart-data.js';
import styles from './endpoint.module.css';

const HEIGHT = 104;

/** How times are written under a chart, by the seconds between two of them. */
const TIMES: uPlot.Axis.Values = [
  [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', null, null, null, null, null, null, 1],
];

/** Live charts of one endpoint: ten minutes at once, then a sample a second for as long as somebody looks. */
export function Charts({ agentId }: { agentId: string }) {
  const [data] = useState(() => new ChartData());
  const time = useTime();
  const [, redraw] = useState(0);
  const frame = useRef(0);
  useFollow({ kind: 'metrics', agentId, past: '10m', layout: 'columns' }, (event) => {
    data.takeEvent(event);
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => redraw((count) => count + 1));
  });
  return (
    <section className={styles['charts']} aria-label="Live metrics">
      {CHARTS.map((kind) => (
        <Chart key={kind.id} kind={kind} columns={data.columns(kind)} />
      ))}
      {data.gaps().length > 0 && (
        <p className={styles['soft']}>
          No samples from{' '}
          {data
            .gaps()
            .map(({ from, to }) => `${time.clock(from)} to ${time.clock(to)}`)
            .join(', ')}
          .
        </p>
      )}
      {data.refusal !== undefined && (
        <Notice tone="warning">
          No samples come: <VisibleText text={data.refusal} max={200} />
        </Notice>
      )}
      {data.length === 0 && data.refusal === undefined && (
        <p className={styles['soft']} role="status">
          {data.state === 'away' ? 'The endpoint is away: no samples come until it returns.' : 'Waiting for samples…'}
        </p>
      )}
    </section>
  );
}

function Chart({ kind, columns }: { kind: ChartKind; columns: ChartColumns }) {
  const { theme } = usePreferences();
  const { zone } = useTime();
  // The colours of a theme are read when a chart is made.
  const make = useCallback((width: number) => optionsOf(kind, width, zone), [kind, zone, theme]);
  return (
    <figure className={styles['chart']}>
      <figcaption>
        <b>{kind.title}</b>
        {kind.lines.map(({ name, tone }, at) => (
          <span key={name} className={styles['line']} data-tone={tone}>
            {kind.lines.length > 1 && `${name} `}
            {textOf(kind, columns[at + 1]?.at(-1) ?? null)}
          </span>
        ))}
      </figcaption>
      <Plot make={make} columns={columns} height={HEIGHT} />
    </figure>
  );
}

function textOf({ unit }: ChartKind, value: number | null): string {
  if (value === null) return '–';
  if (unit === 'percent') return percent(value);
  if (unit === 'number') return value.toFixed(2);
  return unit === 'bytes' ? bytes(value) : `${bytes(value)}/s`;
}

function optionsOf(kind: ChartKind, width: number, zone: string): uPlot.Options {
  const { axis, colour, options } = plotLook(zone);
  return {
    width,
    height: HEIGHT,
    ...options,
    scales: { y: { range: (_plot, _least, most) => [0, kind.unit === 'percent' ? 1 : Math.max(most * 1.1, 1e-9)] } },
    axes: [
      { ...axis, values: TIMES, size: 22, space: 70 },
      { ...axis, size: 62, space: 28, values: (_plot, ticks) => ticks.map((tick) => textOf(kind, tick)) },
    ],
    series: [
      {},
      ...kind.lines.map(({ name, tone }) => ({
        label: name,
        stroke: colour(`tone-${tone}`),
        width: 1.4,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}
