import { expect, test } from '@jest/globals';
import { actionFields } from './fitting-actions.js';
import { bodyOf, dryRunOf, EMPTY_DRAFT, paramsOf, presetDraft, withReason, type Preset } from './draft.js';

const ACTION = {
  ...{ name: 'x.set', summary: '', platforms: ['linux'], reversible: true, destructive: false, timeoutMs: 1_000 },
  params: { properties: { tags: { type: 'array' }, count: { type: 'integer' } } },
};
const FIELDS = actionFields(ACTION);
const BEFORE: Preset = {
  ...{ action: 'x.set', params: { tags: ['a b', 'c'], count: 2 }, reason: 'as planned' },
  ...{ expiresInMs: 7_200_000, timeoutMs: 5_000 },
  rollout: { canary: 5, step: '20%', pauseMs: 60_000, abortOver: 0.1 },
};
const target = { kind: 'agents' as const, agentIds: ['a1'] };

function bodyFor(preset: Preset, change: Partial<typeof EMPTY_DRAFT> = {}) {
  const draft = { ...EMPTY_DRAFT, ...presetDraft(preset), ...change };
  return bodyOf({ draft, params: paramsOf(FIELDS, draft, preset), target, shape: undefined, preset });
}

test('a command that is made again has rollout, expiry, time limit, reason and values of the one before', () => {
  expect(bodyFor(BEFORE)).toEqual({
    ...{ action: 'x.set', params: BEFORE.params, target: { agentIds: ['a1'] }, dryRun: false },
    ...{ expiresIn: 7_200_000, timeout: 5_000, reason: 'as planned' },
    rollout: { canary: 5, step: '20%', pause: 60_000, abortOver: 0.1 },
  });
});

test('what is changed in the form replaces what was proposed, and nothing else does', () => {
  const given = { tags: 'a b c', count: '3' };
  expect(bodyFor(BEFORE, { given, canary: '1', expiresIn: '1h' })).toMatchObject({
    ...{ params: { tags: ['a b', 'c'], count: 3 }, rollout: { canary: 1 }, expiresIn: '1h' },
  });
  expect(bodyFor(BEFORE, { canary: '' }).rollout).toBeUndefined();
  const other = bodyFor(BEFORE, { action: 'y.set', given: {} });
  expect([other.params, other.timeout, other.rollout]).toEqual([{}, undefined, undefined]);
});

test('a try is the command without its rollout, and a reason that is typed after it changes nothing else', () => {
  const body = bodyFor(BEFORE);
  const { rollout: _rollout, ...rest } = body;
  expect(dryRunOf(body)).toEqual({ ...rest, dryRun: true });
  expect(withReason(body, { reason: ' later ' })).toEqual({ ...body, reason: 'later' });
  expect('reason' in withReason(body, { reason: '' })).toBe(false);
});
