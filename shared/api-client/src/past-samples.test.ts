import { expect, test } from '@jest/globals';
import type { ScaledHostSeriesJson } from '@muster/api-contract';
import { pastSamples } from './past-samples.js';

const series = [0.001, 1, 1_024, 1].map((scale): ScaledHostSeriesJson => {
  return { name: 'x', attributes: {}, unit: '1', kind: 'gauge', scale };
});
const AT = '2026-01-01T00:00:00.000Z';

test('columns are read into samples: differences, absent values, columns that never change, and units', () => {
  const columns = [[333, -1, 0], [7, null, 9], 2, null];
  const past = { event: 'past', seq: 1, kind: 'seconds', at: AT, stepsMs: [0, 1_000, 2_000], columns } as const;
  const samples = [...pastSamples(past, series)];
  expect(samples).toEqual([
    { event: 'sample', seq: Date.parse(AT), at: AT, from: 'history', values: [0.333, 7, 2_048, null] },
    ...[
      { at: '2026-01-01T00:00:01.000Z', values: [0.332, null, 2_048, null] },
      { at: '2026-01-01T00:00:03.000Z', values: [0.332, 9, 2_048, null] },
    ].map(({ at, values }) => ({ event: 'sample', seq: Date.parse(at), at, from: 'history', values })),
  ]);
});

test('minutes are read as minutes', () => {
  const past = { event: 'past', seq: null, kind: 'highest', at: AT, stepsMs: [0], columns: [1, 2, 3, 4] } as const;
  expect([...pastSamples(past, series)]).toEqual([
    { event: 'minute', seq: null, at: AT, statistic: 'highest', values: [0.001, 2, 3_072, 4] },
  ]);
});
