import { expect, test } from '@jest/globals';
import { trendColumns, type TrendScan } from './trend.js';

const scan = (hour: number, more: object = {}): TrendScan =>
  ({
    ...{ id: `q${hour}`, createdAt: `1970-01-01T0${hour}:00:00Z`, state: 'complete', score: 10 * hour, ...more },
    pack: { id: 'few', version: '1.0.0' },
  }) as TrendScan;

test('a trend begins with the oldest scan, and a score of a scan that saw only a part is no point of it', () => {
  const [times, scores] = trendColumns([
    scan(4),
    scan(3, { state: 'cancelled' }),
    scan(2, { score: undefined }),
    scan(1),
  ]);
  expect(times).toEqual([3_600, 7_200, 10_800, 14_400]);
  expect(scores).toEqual([10, null, null, 40]);
  expect(trendColumns([])).toEqual([[], []]);
});
