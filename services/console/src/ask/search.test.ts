import { expect, test } from '@jest/globals';
import { addressOf, readAskSearch, viewOf } from './search.js';

const long = `name:${'x'.repeat(10_000)}`;

test('a filter applies whatever its length: without it a view has all rows', () => {
  expect(viewOf(readAskSearch({ filter: long }), []).filter).toBe(long);
  expect(readAskSearch({ filter: 5, sort: '', by: {} })).toEqual({ filter: '5' });
});

test('a filter that is too long for an address is left out of it, by the bytes that it has there', () => {
  const view = { sort: '-pid', by: 'name' };
  expect(addressOf({ ...view, filter: long })).toEqual(view);
  expect(addressOf({ ...view, filter: 'port>1024' })).toEqual({ ...view, filter: 'port>1024' });
  // Nine bytes each.
  expect(addressOf({ filter: '\u65e5'.repeat(666) })).not.toEqual({});
  expect(addressOf({ filter: '\u65e5'.repeat(667) })).toEqual({});
  expect(addressOf({ filter: '\ud800' })).toEqual({ filter: '\ud800' });
});
