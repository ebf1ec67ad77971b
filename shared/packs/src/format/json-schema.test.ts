import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect, test } from '@jest/globals';
import { packJsonSchema } from './json-schema.js';
import { packSchema } from './pack-schema.js';

const ajv = new Ajv({ strict: false, formats: { uri: true } });
const validate = ajv.compile(packJsonSchema());
const check = { id: 'a', title: 'A', severity: 'low', platforms: ['linux'], sql: 'SELECT 1', row_means: 'fail' };
const pack = { kind: 'muster/pack', format: 1, id: 'p', version: '1.0.0', title: 'P', checks: [check] };

test('the file for editors is the one that the code makes', () => {
  const file: unknown = JSON.parse(readFileSync(new URL('../../pack.schema.json', import.meta.url), 'utf8'));
  expect(file).toEqual(packJsonSchema());
});

test.each([
  ['a whole pack', pack, true],
  ['a check without SQL', { ...pack, checks: [{ ...check, sql: undefined }] }, false],
  ['an unknown key', { ...pack, cheks: [] }, false],
  ['another severity', { ...pack, checks: [{ ...check, severity: 'severe' }] }, false],
  ['no checks', { ...pack, checks: [] }, false],
  ['an id with spaces', { ...pack, id: 'a b' }, false],
  ['a number as a reference', { ...pack, checks: [{ ...check, references: { cis: [5.1] } }] }, false],
])('editors and Muster agree about %s', (_what, value, valid) => {
  const plain: unknown = JSON.parse(JSON.stringify(value));
  expect(validate(plain)).toBe(valid);
  if (!String(_what).includes('without SQL')) expect(packSchema.safeParse(plain).success).toBe(valid);
});
