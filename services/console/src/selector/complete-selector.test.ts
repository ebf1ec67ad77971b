import { describe, expect, test } from '@jest/globals';
import { completeSelector, takeSuggestion } from './complete-selector.js';

const LABELS = [
  {
    key: 'os',
    endpoints: 10,
    distinct: 2,
    values: [
      { value: 'linux', endpoints: 7 },
      { value: 'windows', endpoints: 3 },
    ],
  },
  { key: 'env', endpoints: 4, distinct: 1, values: [{ value: 'prod', endpoints: 4 }] },
  { key: 'site', endpoints: 9, distinct: 1, values: [{ value: 'fra', endpoints: 9 }] },
];
const at = (text: string): string[] => {
  const caret = text.indexOf('|');
  const plain = text.replace('|', '');
  return completeSelector(plain, caret < 0 ? plain.length : caret, LABELS).suggestions.map((one) => one.text);
};

describe('what follows at a place of a selector', () => {
  test('names of labels at the start, after a comma and after !', () => {
    expect(at('')).toEqual(['os', 'env', 'site', 'id', 'host', 'health']);
    expect(at('os=linux,s')).toEqual(['site', 'os', 'host']);
    expect(at('!e')).toEqual(['env', 'site', 'health']);
  });
  test('operators after a whole name', () => {
    expect(at('os')).toEqual(['=', '!=', ' in (', ' notin (', ',']);
  });
  test('values after an operator, those that begin with the word first', () => {
    expect(at('os=')).toEqual(['linux', 'windows']);
    expect(at('os!=wi')).toEqual(['windows']);
    expect(at('health=w')).toEqual(['warning', 'unknown']);
  });
  test('values that a list does not have yet', () => {
    expect(at('os in (linux,')).toEqual(['windows']);
    expect(at('os in (|,windows)')).toEqual(['linux', 'windows']);
  });
  test('nothing where nothing can follow', () => {
    expect(at('os in (linux) ')).toEqual([]);
    expect(at('nobody=')).toEqual([]);
  });
});

test('a suggestion that is taken replaces the word that was begun', () => {
  const completion = completeSelector('os=li,env=prod', 5, LABELS);
  expect(takeSuggestion('os=li,env=prod', completion, completion.suggestions[0]!)).toEqual({
    text: 'os=linux,env=prod',
    caret: 8,
  });
});
