import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import type { Check } from '../format/pack-schema.js';
import { decodeChecks, encodeChecks, hashOfChecks } from './encode-checks.js';

const CHECK: Check = {
  ...{ id: 'one', title: 'One', severity: 'high', platforms: ['linux'], sql: 'SELECT 1', row_means: 'fail' },
  ...{ remediation: 'Mend it.', description: 'Long text for people.' },
};

test('what endpoints get is whole, without the texts for people', () => {
  const { bytes, hash } = encodeChecks([CHECK, { ...CHECK, id: 'two', evidence: ['a'] }]);
  expect(hash).toBe(hashOfChecks(bytes));
  expect(decodeChecks(bytes)).toEqual([
    { id: 'one', platforms: ['linux'], sql: 'SELECT 1', row_means: 'fail' },
    { id: 'two', platforms: ['linux'], sql: 'SELECT 1', row_means: 'fail', evidence: ['a'] },
  ]);
});

test('equal checks have one hash, other SQL another one, other texts the same', () => {
  const { hash } = encodeChecks([CHECK]);
  expect(encodeChecks([{ ...CHECK, title: 'Other' }]).hash).toBe(hash);
  expect(encodeChecks([{ ...CHECK, sql: 'SELECT 2' }]).hash).not.toBe(hash);
});

test('checks that no endpoint takes are refused before they are stored', () => {
  const sql = (): string => `SELECT '${randomBytes(6_000).toString('base64')}'`;
  const many = Array.from({ length: 200 }, (_, n): Check => ({ ...CHECK, id: `c${n}`, sql: sql() }));
  expect(() => encodeChecks(many)).toThrow('divide the pack');
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['noise', randomBytes(1_000)],
  ['other JSON', deflateRawSync('{"a":1}')],
  ['no check', deflateRawSync('[]')],
  ['a bomb', deflateRawSync(Buffer.alloc(64 * 1024 * 1024))],
])('bytes that are no checks are none: %s', (_what, bytes) => {
  expect(decodeChecks(bytes)).toBeUndefined();
});
