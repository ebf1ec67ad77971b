import { expect, test } from '@jest/globals';
import type { VulnerabilityScanJson } from '@muster/api-contract';
import { filterQuery, readFilters } from './filters.js';
import { gapsOf, rangeText, silentOf } from './not-known.js';
import { shownScan } from './use-scans.js';

const LEDGER = {
  ...{ targeted: 10, waiting: 0, answered: 4, empty: 3, error: 1, refused: 0, over_budget: 0 },
  ...{ timed_out: 1, disconnected: 0, unreachable: 1 },
};
const question = (kind: string, more: object = {}) => ({ kind, query: `q-${kind}`, state: 'complete', ...more });
const scan = (more: object): VulnerabilityScanJson =>
  ({ state: 'complete', questions: [], ...more }) as unknown as VulnerabilityScanJson;

test('filters of the address become filters of the API, and what is no filter is left out', () => {
  expect(filterQuery(readFilters({}))).toEqual({});
  expect(filterQuery(readFilters({ severity: 'bad', filter: '  ', exploited: 'no', fixable: true }))).toEqual({});
  expect(
    filterQuery(readFilters({ severity: 'critical,high', filter: ' open ', exploited: 'yes', fixable: 'yes' })),
  ).toEqual({ severity: 'critical,high', search: 'open', knownExploited: 'true', fixable: 'true' });
  // The router reads a number of the address as one.
  expect(filterQuery(readFilters({ filter: 2026 }))).toEqual({ search: '2026' });
  expect(filterQuery(readFilters({ filter: 'x'.repeat(500) })).search).toHaveLength(128);
});

test('what a scan does not know is said, whatever the reason, and nothing is said where all is known', () => {
  expect(gapsOf(scan({ questions: [question('deb', { ledger: { ...LEDGER, answered: 7 } })] }))).toEqual([]);
  const gaps = gapsOf(
    scan({
      state: 'interrupted',
      packages: { vulnerable: 1, not_vulnerable: 2, not_known: 1 },
      questions: [
        question('deb', { ledger: LEDGER }),
        question('rpm', { truncated: 'too many rows' }),
        question('npm'),
      ],
    }),
  );
  expect(gaps).toHaveLength(4);
  expect(gaps[0]).toContain('1 package nobody');
  expect(gaps[1]).toContain('3 endpoints did not answer');
  expect(gaps[2]).toContain('rpm');
  expect(gaps[3]).toContain('ended early');
});

test('away endpoints are silent too, and a running scan has no gaps yet', () => {
  expect(silentOf({ ledger: { ...LEDGER, away: 5 } })).toBe(8);
  expect(silentOf({})).toBe(0);
  expect(gapsOf(scan({ state: 'running', questions: [question('deb', { ledger: LEDGER })] }))).toEqual([]);
});

test('a number of endpoints that is not known exactly is a range', () => {
  expect(rangeText(3, 3)).toBe('3');
  expect(rangeText(1_200, 1_500)).toBe('1,200 to 1,500');
});

test('shown is the newest scan that compared something: one that runs, failed or reached nobody does not hide it', () => {
  const told = { ...scan({ id: 'v2' }), packages: { vulnerable: 0, not_vulnerable: 0, not_known: 4 } };
  const silent = { ...scan({ id: 'v3' }), packages: { vulnerable: 0, not_vulnerable: 0, not_known: 0 } };
  const running = scan({ id: 'v4', state: 'running' });
  expect(shownScan([running, silent, told, scan({ id: 'v1' })])?.id).toBe('v2');
  expect(shownScan([running, silent])?.id).toBe('v3');
  expect(shownScan([running])).toBeUndefined();
});
