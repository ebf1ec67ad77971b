import { describe, expect, it } from '@jest/globals';
import { PLANTED } from './faults.js';
import { searchFault } from './search-fault.js';

const PATIENCE_MS = 600_000;

function search(name: string, ...more: readonly string[]) {
  const index = PLANTED.findIndex((fault) => fault.name === name);
  return searchFault({
    index,
    isHandOver: false,
    options: ['--seed', '1', '--histories', '1', '--workers', '1', '--no-shrink', ...more],
  });
}

describe('the search for a planted fault', () => {
  it.each([
    ['a timer that makes itself again at once', 'time goes on: nobody works for ever without waiting'],
    ['a promise is rejected and nobody handles it', 'no process ends by an error that nobody handles'],
    ['a timer throws', 'no process ends by an error that nobody handles'],
    ['a handler of messages throws', 'no handler of messages throws'],
  ])(
    'tells the seed of a program that does what none may do: %s',
    (name, property) => expect(search(name)).toEqual({ kind: 'found', where: '1', property }),
    PATIENCE_MS,
  );

  it(
    'tells the seed of promises that wait for one another, and ends them',
    () =>
      expect(search('promises that wait for one another', '--most-ms', '5000')).toEqual({
        ...{ kind: 'found', where: '1', property: 'time goes on: nobody works for ever without waiting' },
      }),
    PATIENCE_MS,
  );

  it(
    'does not call found what it could not look for',
    () => {
      const finding = searchFault({ index: -1, isHandOver: false, options: ['--seed', '1'] });
      expect(finding).toMatchObject({ kind: 'failed', why: expect.stringContaining('is no index of a planted fault') });
    },
    PATIENCE_MS,
  );
});
