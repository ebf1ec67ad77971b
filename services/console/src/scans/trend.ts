import type { ScanJson } from '@muster/api-contract';

/** A scan as one point of a trend. */
export type TrendScan = Pick<ScanJson, 'id' | 'createdAt' | 'score' | 'previous' | 'changes' | 'state' | 'pack'>;

/** Times in seconds and scores, the oldest first; null where nothing passed or failed, or not everything was seen. */
export function trendColumns(scans: readonly TrendScan[]): [readonly number[], readonly (number | null)[]] {
  const ordered = scans.toSorted((one, other) => Date.parse(one.createdAt) - Date.parse(other.createdAt));
  return [
    ordered.map(({ createdAt }) => Date.parse(createdAt) / 1_000),
    ordered.map(({ score, state }) => (state === 'complete' ? (score ?? null) : null)),
  ];
}
