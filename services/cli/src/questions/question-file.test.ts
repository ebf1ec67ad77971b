import { expect, test } from '@jest/globals';
import { parseQuestion } from './question-file.js';

test('the leading comments of a saved question hold its options', () => {
  const text = `-- Which ports are open?
-- target: os=linux, env in (prod)
--   ,!quarantined
-- group
-- timeout: 10s
-- tags: network, triage
-- param: port integer = 22 -- the port to look for
-- param: path text
-- reduce: SELECT port, sum(endpoints) AS n
--   FROM rows GROUP BY port
SELECT port FROM listening_ports
-- a remark`;
  expect(parseQuestion(text)).toEqual({
    sql: text,
    body: 'SELECT port FROM listening_ports\n-- a remark',
    description: 'Which ports are open?',
    target: 'os=linux, env in (prod) ,!quarantined',
    group: true,
    timeout: '10s',
    tags: ['network', 'triage'],
    params: [
      { name: 'port', type: 'integer', fallback: '22', description: 'the port to look for' },
      { name: 'path', type: 'text' },
    ],
    reduce: 'SELECT port, sum(endpoints) AS n FROM rows GROUP BY port',
  });
});

test('plain SQL, and prose in comments, are left unchanged', () => {
  expect(parseQuestion('SELECT 1')).toEqual({ sql: 'SELECT 1', body: 'SELECT 1' });
  const block = "/* Copyright: nobody\n   see https://example.com */\nSELECT '/* target: x */'";
  expect(parseQuestion(block)).toEqual({ sql: block, body: block });
  const text = '-- target practice\n-- grouping is off\n-- at 10:30, as of today\nSELECT 1';
  expect(parseQuestion(text)).toEqual({
    sql: text,
    body: 'SELECT 1',
    description: 'target practice grouping is off at 10:30, as of today',
  });
});

// Each of them asked every endpoint, or lost what it says, without a word.
test.each([
  ['-- tagret: os=linux\nSELECT 1', '"tagret:" that nobody knows'],
  ['-- targets: os=linux\nSELECT 1', '"targets:" that nobody knows'],
  ['-- Note: nothing\nSELECT 1', '"Note:" that nobody knows'],
  ['-- target os=linux\nSELECT 1', 'lacks the colon'],
  ['-- target env in (prod)\nSELECT 1', 'lacks the colon'],
  ['-- timeout 10s\nSELECT 1', 'lacks the colon'],
  ['-- gruop\nSELECT 1', '"-- gruop" is no header'],
  ['SELECT 1\n-- target: os=linux', 'below the first line of SQL'],
  ['-- timeout: 10s\n--   target is linux\nSELECT 1', 'goes on with nothing'],
  ['-- group: maybe\nSELECT 1', 'neither yes nor no'],
  ['-- param: port float\nSELECT 1', 'is none'],
  ['-- param: a text\n-- param: a text\nSELECT 1', 'the parameter a twice'],
  ['-- version: three\nSELECT 1', 'is no version'],
  ['-- target:\nSELECT 1', '"target:" and nothing after it'],
  ['-- group\n-- group\nSELECT 1', '"group" twice'],
  ['/* target: os=linux */\nSELECT 1', 'in a block comment'],
  ['/*\n * Ports\n * tagret: os=linux\n */\nSELECT 1', 'in a block comment'],
  ['SELECT 1 /* target os=linux */', 'in a block comment'],
  ['SELECT 1 -- target: os=linux', 'below the first line of SQL'],
])('%j is refused', (text, message) => {
  expect(() => parseQuestion(text)).toThrow(message);
});

test.each([
  '  -- target: os=linux\nSELECT 1',
  '\uFEFF-- target: os=linux\nSELECT 1',
  '--target:os=linux\nSELECT 1',
  '-- Target: os=linux\r\nSELECT 1',
])('%j has a target', (text) => {
  expect(parseQuestion(text)).toMatchObject({ target: 'os=linux' });
});
