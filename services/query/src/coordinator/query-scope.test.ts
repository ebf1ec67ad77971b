import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import { encodeNumberSet } from '@muster/records';
import { queryScope } from './query-scope.js';

const endpoint = (num: number, site: string) =>
  ({ num, agentId: `a${num}`, facts: { host: 'h', os: 'linux' }, labels: { site } }) as unknown as Endpoint;

test('endpoints that stand for what a query requires of health are in its scope, if the rest of it fits', () => {
  const inScope = queryScope({ scope: 'health=critical,site=x,mode=live', among: encodeNumberSet([1, 2]) });
  expect(inScope?.(endpoint(1, 'x'), 'live')).toBe(true);
  expect(inScope?.(endpoint(1, 'x'), 'poll')).toBe(false);
  expect(inScope?.(endpoint(2, 'y'), 'live')).toBe(false);
  expect(inScope?.(endpoint(3, 'x'), 'live')).toBe(false);
});

test('without such a requirement its selector alone counts', () => {
  expect(queryScope({ scope: 'site=x' })?.(endpoint(3, 'x'))).toBe(true);
  expect(queryScope({ scope: 'site=x' })?.(endpoint(3, 'y'))).toBe(false);
  expect(queryScope({ scope: '=' })).toBe(undefined);
});
