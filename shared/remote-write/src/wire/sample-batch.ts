import type { Series } from '../series/series.js';

/** Samples of one request, in the sequence in which they came. A value that is NaN is a stale marker. */
export interface SampleBatch {
  readonly series: readonly Series[];
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/**
 * Positions in a batch by series, each in the sequence of the batch. The protocol wants the samples of a series
 * together and sorted by time.
 */
export function groupBySeries({ series }: SampleBatch): Map<Series, number[]> {
  const groups = new Map<Series, number[]>();
  for (const [index, one] of series.entries()) {
    const group = groups.get(one);
    if (group === undefined) groups.set(one, [index]);
    else group.push(index);
  }
  return groups;
}

/** The samples from `timeMs` on. */
export function since(batch: SampleBatch, timeMs: number): SampleBatch {
  const kept = [...batch.series.keys()].filter((index) => (batch.timesMs[index] ?? 0) >= timeMs);
  return {
    series: kept.flatMap((index) => batch.series[index] ?? []),
    timesMs: Float64Array.from(kept, (index) => batch.timesMs[index] ?? 0),
    values: Float64Array.from(kept, (index) => batch.values[index] ?? 0),
  };
}
