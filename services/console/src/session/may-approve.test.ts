import type { CommandJson } from '@muster/api-contract';
import { expect, test } from '@jest/globals';
import { approvalBar, mayApprove } from './may-approve.js';

const me = { id: 't1', name: 'Eve', role: 'responder', permissions: ['commands:approve'] };
const command = (operator: { id: string; name: string }, role?: 'responder' | 'admin') =>
  ({
    operator: { ...operator, role: 'responder' },
    ...(role === undefined ? {} : { approval: { why: '', role } }),
  }) as Pick<CommandJson, 'operator' | 'approval'>;
const DAN = { id: 't2', name: 'Dan' };

test('who has the role that the approval needs may approve what somebody else has ordered', () => {
  expect(mayApprove(me, command(DAN, 'responder'))).toBe(true);
  expect(mayApprove(me, command(DAN))).toBe(true);
  expect(approvalBar(me, command(DAN, 'admin'))).toBe('role');
  expect(mayApprove({ ...me, role: 'admin' }, command(DAN, 'admin'))).toBe(true);
});

test('nobody approves what they have ordered, also with another token of the same name', () => {
  expect(approvalBar(me, command({ id: 't1', name: 'Eve' }))).toBe('own');
  expect(approvalBar(me, command({ id: 't9', name: ' eve ' }))).toBe('own');
});

test('without the permission, or while nobody knows who one is, nothing is approved', () => {
  expect(approvalBar({ ...me, permissions: [] }, command(DAN))).toBe('permission');
  expect(approvalBar(undefined, command(DAN))).toBe('permission');
});
