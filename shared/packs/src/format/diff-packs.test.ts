import { expect, test } from '@jest/globals';
import type { Check, Pack } from './pack-schema.js';
import { diffPacks } from './diff-packs.js';

const check = (id: string, more: Partial<Check> = {}): Check => ({
  ...{ id, title: id, severity: 'low', platforms: ['linux'], sql: 'SELECT 1', row_means: 'fail' },
  ...more,
});
const pack = (checks: Check[], version = '1.0.0'): Pack => ({
  ...{ kind: 'muster/pack', format: 1, id: 'p', version, title: 'P', checks },
});

test('checks are compared by id, whatever their sequence and that of their keys', () => {
  const before = pack([check('a'), check('b', { references: { cis: ['1'], nist: ['AC-1'] } })]);
  const after = pack([check('b', { references: { nist: ['AC-1'], cis: ['1'] } }), check('a')]);
  expect(diffPacks(before, after)).toEqual({ pack: [], added: [], removed: [], changed: [], judgesOtherwise: false });
});

test('what was added, removed and changed is named', () => {
  const before = pack([check('a'), check('b'), check('c')]);
  const after = pack(
    [check('a', { title: 'A' }), check('c', { sql: 'SELECT 2', evidence: ['x'] }), check('d')],
    '1.1.0',
  );
  expect(diffPacks(before, after)).toEqual({
    pack: ['version'],
    added: ['d'],
    removed: ['b'],
    changed: [
      { id: 'a', keys: ['title'] },
      { id: 'c', keys: ['evidence', 'sql'] },
    ],
    judgesOtherwise: true,
  });
});

test('another text alone leaves outcomes comparable', () => {
  expect(diffPacks(pack([check('a')]), pack([check('a', { title: 'A', severity: 'high' })]))).toMatchObject({
    judgesOtherwise: false,
  });
});
