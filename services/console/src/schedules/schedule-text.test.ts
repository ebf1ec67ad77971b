import { expect, test } from '@jest/globals';
import { cronFault, firingText, mayChange, MOMENTS } from './schedule-text.js';

const me = (more: object) => ({ id: 'me', role: 'analyst' as const, permissions: ['queries:run'], ...more });
const OTHERS = { createdBy: { id: 'other', name: 'Other' } };
const MINE = { createdBy: { id: 'me', name: 'Me' } };

test('a schedule is changed by who made it, and by admins whom no selector bounds', () => {
  expect(mayChange(me({}), MINE)).toBe(true);
  expect(mayChange(me({}), OTHERS)).toBe(false);
  expect(mayChange(me({ role: 'admin' }), OTHERS)).toBe(true);
  expect(mayChange(me({ role: 'admin', selector: 'env=prod' }), OTHERS)).toBe(false);
  expect(mayChange(me({ role: 'admin', selector: 'env=prod' }), MINE)).toBe(true);
  // A role that was lowered since.
  expect(mayChange(me({ permissions: ['queries:read'] }), MINE)).toBe(false);
  expect(mayChange(undefined, MINE)).toBe(false);
});

test('what became of a moment is said with its reason', () => {
  expect(firingText({ result: 'started' })).toBe('started');
  expect(firingText({ result: 'missed', missed: 3, message: 'nobody could start it' })).toBe(
    'missed, 3 moments: nobody could start it',
  );
  expect(firingText({ result: 'failed', message: 'no pack' })).toBe('failed: no pack');
});

test('moments have five fields', () => {
  for (const { id } of MOMENTS) if (id !== '') expect(cronFault(id)).toBeUndefined();
  for (const text of ['', '0 2 * *', '0 2 * * * *']) expect(cronFault(text)).toContain('five fields');
  expect(cronFault('  */5  8-18 * * 1-5 ')).toBeUndefined();
});
