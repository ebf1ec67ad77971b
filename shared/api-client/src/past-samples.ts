import type { MetricsEventJson, ScaledHostSeriesJson } from '@muster/api-contract';

type EventOf<K extends MetricsEventJson['event']> = Extract<MetricsEventJson, { readonly event: K }>;
type Column = EventOf<'past'>['columns'][number];

/**
 * The samples or minutes of a `past` event as the events that `layout=samples` sends, oldest first. `series`: of the
 * last `series` event.
 */
export function* pastSamples(
  { kind, at, stepsMs, columns }: EventOf<'past'>,
  series: readonly ScaledHostSeriesJson[],
): Generator<EventOf<'sample'> | EventOf<'minute'>> {
  const readers = columns.map((column, i) => columnReader(column, series[i]?.scale ?? 1));
  let atMs = Date.parse(at);
  for (const [i, stepMs] of stepsMs.entries()) {
    atMs += stepMs;
    const said = new Date(atMs).toISOString();
    const values = readers.map((read) => read(i));
    if (kind === 'seconds') yield { event: 'sample', seq: atMs, at: said, from: 'history', values };
    else yield { event: 'minute', seq: null, at: said, statistic: kind, values };
  }
}

/** Called once for each sample, in order. */
function columnReader(column: Column, scale: number): (i: number) => number | null {
  // Dividing by 1000 is exact where multiplying by 0.001 is not.
  const divisor = Math.round(1 / scale);
  const inUnit = (value: number): number => (scale < 1 ? value / divisor : value * scale);
  if (column === null || typeof column === 'number') {
    const value = column === null ? null : inUnit(column);
    return () => value;
  }
  let now = 0;
  return (i) => {
    const step = column[i] ?? null;
    now = step === null ? 0 : now + step;
    return step === null ? null : inUnit(now);
  };
}
