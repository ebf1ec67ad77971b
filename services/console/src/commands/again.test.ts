import type { ActionJson, CommandJson } from '@muster/api-contract';
import { expect, test } from '@jest/globals';
import { bodyOf, EMPTY_DRAFT, paramsOf, presetDraft } from '../act/draft.js';
import { againCount, againPreset, endpointsOf, isBoundToRows } from './again.js';

const KILL = {
  ...{ name: 'process.kill', timeoutMs: 30_000, params: {} },
  object: [
    { required: ['pid'], optional: ['start_time', 'path'] },
    { required: ['name'], optional: ['path'] },
  ],
  binds: { table: 'processes', required: ['pid'], optional: [] },
} as unknown as ActionJson;
const ledger = { targeted: 5, succeeded: 1, failed: 2, timed_out: 1, expired: 1, cancelled: 0 };
const COMMAND = {
  ...{ id: 'c1', status: 'ended', action: 'process.kill', params: { name: 'x' }, dryRun: false, reason: 'why', ledger },
  ...{ submittedAt: '2026-01-01T00:00:00.000Z', expiresAt: '2026-01-01T01:00:00.000Z', timeoutMs: 30_000 },
  rollout: { canary: 1, step: '10%', pauseMs: 30_000, abortOver: 0.05 },
} as unknown as CommandJson;

test('a command again keeps the rollout, the expiry and the reason', () => {
  const preset = againPreset(COMMAND, KILL);
  const draft = { ...EMPTY_DRAFT, ...presetDraft(preset) };
  const target = { kind: 'agents' as const, agentIds: ['a1'] };
  const body = bodyOf({ draft, params: paramsOf([], draft, preset), target, shape: undefined, preset });
  expect(body).toEqual({
    ...{ action: 'process.kill', params: { name: 'x' }, target: { agentIds: ['a1'] }, dryRun: false },
    ...{ expiresIn: 3_600_000, reason: 'why', rollout: { canary: 1, step: '10%', pause: 30_000, abortOver: 0.05 } },
  });
  expect(againPreset({ ...COMMAND, timeoutMs: 5_000 }, KILL).timeoutMs).toBe(5_000);
});

test('a command that is bound to rows is not made again, also where it has other parameters', () => {
  expect(isBoundToRows({ params: {} }, KILL)).toBe(true);
  expect(isBoundToRows({ params: { signal: 'TERM' } }, KILL)).toBe(true);
  expect(isBoundToRows({ params: { name: 'x' } }, KILL)).toBe(false);
  expect(isBoundToRows({ params: {} }, {})).toBe(false);
  expect(againCount(COMMAND, KILL)).toBe(4);
  expect(againCount({ ...COMMAND, params: { signal: 'TERM' } }, KILL)).toBe(0);
  expect(againCount(COMMAND, undefined)).toBe(0);
});

test('each endpoint is in it once, and those without a name are counted', () => {
  const targets = [{ agentId: 'a' }, { agentId: 'a' }, { agentId: null }];
  expect(endpointsOf(targets)).toEqual({ agentIds: ['a'], unnamed: 1 });
});
