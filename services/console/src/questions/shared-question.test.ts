import { expect, test } from '@jest/globals';
import type { QuestionJson } from '@muster/api-contract';
import { questionBody, sharedQuestion } from './shared-question.js';

const KEPT = {
  sql: 'SELECT :part, :large, :exact, :ports, :bytes, :share',
  description: 'What it answers',
  tags: ['triage'],
  parameters: [
    { name: 'part', type: 'text', default: '%x%', description: 'a part' },
    { name: 'large', type: 'integer', default: { $integer: '9007199254740993' } },
    { name: 'exact', type: 'boolean', default: true },
    { name: 'ports', type: 'list', default: [22, 'a,b'] },
    { name: 'bytes', type: 'blob', default: { $blob: 'AAEC' } },
    { name: 'share', type: 'number', default: { $number: 1 } },
    { name: 'needed', type: 'text' },
  ],
  target: 'os=linux',
  mode: 'group',
  reduce: 'SELECT 1 FROM rows',
  timeoutMs: 120_000,
};

test('a question of the library is the same after the form had it', () => {
  const who = { id: 'a', name: 'ann' };
  const more = { name: 'q', version: 3, owner: who, createdAt: 'x', changedBy: who, changedAt: 'x' };
  const shared = sharedQuestion({ ...KEPT, ...more } as unknown as QuestionJson);
  expect(questionBody(shared, shared.version)).toEqual({ ...KEPT, version: 3 });
});

test('a question without a type for a parameter gets one by its value; what is empty is left out', () => {
  const param = (name: string, fallback: string) => ({ name, fallback, type: '', description: '' });
  const question = { name: 'q', sql: 'SELECT :a, :b', description: ' ', tags: [], target: '', group: false };
  const params = [param('a', '22'), param('b', 'x')];
  expect(questionBody({ ...question, params, reduce: '', timeout: '' }, 0)).toEqual({
    ...{ version: 0, sql: 'SELECT :a, :b', tags: [], mode: 'raw' },
    parameters: [
      { name: 'a', type: 'integer', default: 22 },
      { name: 'b', type: 'text', default: 'x' },
    ],
  });
});
