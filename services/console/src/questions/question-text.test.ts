import { expect, test } from '@jest/globals';
import { parameterNames, parameterValue, readQuestion } from './question-text.js';

test('reads a question with its headers as the CLI does', () => {
  const question = readQuestion(
    'port-listeners',
    [
      '-- Which program listens on this port?',
      '-- tags: network, triage',
      '-- target: os=linux,',
      '--   env=prod',
      '-- param: port integer = 22 -- the port to look for',
      '-- param: folder text = /etc',
      '-- group',
      'SELECT pid FROM listening_ports',
      '-- a comment of the statement',
      'WHERE port = :port',
    ].join('\n'),
  );
  expect(question).toMatchObject({
    description: 'Which program listens on this port?',
    tags: ['network', 'triage'],
    target: 'os=linux, env=prod',
    group: true,
    params: [
      { name: 'port', type: 'integer', fallback: '22', description: 'the port to look for' },
      { name: 'folder', type: 'text', fallback: '/etc', description: '' },
    ],
    sql: 'SELECT pid FROM listening_ports\n-- a comment of the statement\nWHERE port = :port',
  });
});

test('parameters are found outside of texts and comments', () => {
  const sql = 'SELECT \':no\', ":no2", :port -- :no3\nFROM t /* :no4 */ WHERE a = :path AND b = :port';
  expect(parameterNames(sql, 'SELECT :least')).toEqual(['port', 'path', 'least']);
});

test('fields are read by the types of --param', () => {
  expect(parameterValue('22', 'integer')).toBe(22);
  expect(parameterValue('9007199254740993', 'integer')).toEqual({ $integer: '9007199254740993' });
  expect(parameterValue('22', 'text')).toBe('22');
  expect(parameterValue('22', undefined)).toBe(22);
  expect(parameterValue(' x', undefined)).toBe(' x');
  expect(parameterValue('1.5', 'number')).toEqual({ $number: 1.5 });
  expect(parameterValue('a, 2', 'list')).toEqual(['a', 2]);
  expect(parameterValue('["a,b"]', 'list')).toEqual(['a,b']);
  expect(parameterValue('true', 'boolean')).toBe(true);
});
