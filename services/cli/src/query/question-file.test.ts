import { expect, test } from '@jest/globals';
import { parseQuestion } from './question-file.js';

test('the leading comments of a saved question hold its options', () => {
  const text = `-- Which ports are open?
-- target: os=linux, env in (prod)
-- group
-- timeout: 10s
-- reduce: SELECT port, sum(endpoints) AS n
--   FROM rows GROUP BY port
SELECT port FROM listening_ports
-- target: not a header any more`;
  expect(parseQuestion(text)).toEqual({
    sql: text,
    target: 'os=linux, env in (prod)',
    group: true,
    timeout: '10s',
    reduce: 'SELECT port, sum(endpoints) AS n FROM rows GROUP BY port',
  });
});

test('plain SQL, and prose in comments, are left unchanged', () => {
  expect(parseQuestion('SELECT 1')).toEqual({ sql: 'SELECT 1' });
  expect(parseQuestion('-- target practice\n-- grouping is off\nSELECT 1')).toEqual({
    sql: '-- target practice\n-- grouping is off\nSELECT 1',
  });
});

test('a header without its value, or twice, is a fault', () => {
  expect(() => parseQuestion('-- target:\nSELECT 1')).toThrow('"target:" and nothing after it');
  expect(() => parseQuestion('-- group\n-- group\nSELECT 1')).toThrow('"group" twice');
});
