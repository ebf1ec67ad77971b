import { expect, test } from '@jest/globals';
import { isForLinux, readPack } from './read-pack.js';

const PACK = `{
  # A comment
  "platform": "darwin",
  // Another
  "queries": {
    "one": { "query": "SELECT * \\
        FROM users;", "interval": 60, "platform": "linux,darwin" },
    "two": { "query": "SELECT 1 AS \\"#\\"" }
  }
}`;

test('a pack is read with its comments and its long lines', () => {
  const queries = readPack(PACK);
  expect(queries).toEqual([
    { name: 'one', sql: 'SELECT *  FROM users;', platform: 'linux,darwin' },
    { name: 'two', sql: 'SELECT 1 AS "#"', platform: 'darwin' },
  ]);
  expect(queries.map(isForLinux)).toEqual([true, false]);
});
