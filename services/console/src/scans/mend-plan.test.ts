import { expect, test } from '@jest/globals';
import type { ActionJson, MendJson } from '@muster/api-contract';
import { fittingActions } from '../act/fitting-actions.js';
import { mendGaps, mendTarget } from './mend-plan.js';

const KILL = {
  ...{ name: 'process.kill', platforms: ['linux'] },
  binds: { table: 'processes', required: ['pid', 'start_time'], optional: ['path'] },
} as unknown as ActionJson;
const OTHER = { ...KILL, name: 'process.stop' } as ActionJson;
const PLAN: MendJson = {
  ...{ check: 'few', title: 'Few', action: 'process.kill', params: {} },
  ...{ endpoints: 1, excepted: 0, unreadable: 0, partly: 0, isWhole: true },
};
const ROWS = [{ agentId: 'a1', row: { pid: 1, start_time: 2 } }];

test('a planned command becomes a command for exactly its rows, and for its action only', () => {
  const target = mendTarget({ ...PLAN, target: { rows: ROWS } }, KILL);
  if (target?.kind !== 'rows') throw new Error('it is not bound to rows');
  expect(target.rows).toEqual(ROWS);
  expect(fittingActions([OTHER, KILL], target, ['linux']).map(({ action }) => action.name)).toEqual(['process.kill']);
});

test('a command whose pack names the object is for the endpoints', () => {
  expect(mendTarget({ ...PLAN, target: { agentIds: ['a1', 'a2'] } }, KILL)).toEqual({
    ...{ kind: 'agents', agentIds: ['a1', 'a2'] },
  });
  expect(mendTarget(PLAN, KILL)).toBeUndefined();
});

test('whom a command leaves out is said', () => {
  expect(mendGaps(PLAN)).toEqual([]);
  const gaps = mendGaps({ ...PLAN, excepted: 1, unreadable: 2, isWhole: false });
  expect(gaps).toHaveLength(3);
  expect(gaps[0]).toContain('1 endpoint may fail by an exception, and is left alone');
  expect(gaps[1]).toContain('2 endpoints are left out');
});
