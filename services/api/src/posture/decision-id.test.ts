import { expect, test } from '@jest/globals';
import { operations } from '@muster/api-contract';
import { decisionId } from './decision-id.js';
import { exceptionOperations } from './exception-operations.js';
import { scheduleOperations } from './schedule-operations.js';

test('one key makes one id, another key or nothing another one; each is an id that the contract takes', () => {
  const ids = [
    decisionId('sch', 'k'),
    decisionId('sch', 'l'),
    decisionId('sch', undefined),
    decisionId('sch', undefined),
  ];
  expect(decisionId('sch', 'k')).toBe(ids[0]);
  expect(new Set(ids).size).toBe(4);
  for (const id of [...ids, decisionId('sch', 'k')]) expect(id).toMatch(/^sch[a-z2-7]{13}$/);
  expect(decisionId('exc', 'k')).toMatch(/^exc[a-z2-7]{13}$/);
});

test('a repeat under one idempotency key asks for the same schedule or exception', async () => {
  const asked: { readonly t: string; readonly id?: string }[] = [];
  const client = {
    ask: (request: { readonly t: string; readonly id?: string }) => {
      asked.push(request);
      return Promise.reject(new Error('no answer'));
    },
  };
  const retention = { checkWait: () => undefined };
  const parts = { client, retention, clock: { now: () => 0 } } as never;
  const all = [...scheduleOperations(parts), ...exceptionOperations(parts)];
  const body = { name: 'n', pack: 'p', check: 'c', selector: '', cron: '0 2 * * *', detail: 'checks', untilMs: 1 };
  for (const { id } of [operations.createSchedule, operations.createException])
    for (const requestKey of ['k', 'k', 'l']) {
      const given = { principal: { id: 'ann', name: 'Ann', org: 'acme', bound: [] }, body, requestKey };
      const making = all.find((one) => one.id === id)?.handle({ ...given, note: () => undefined } as never);
      await expect(making).rejects.toThrow('no answer');
    }
  expect(asked.map(({ id }) => id)).toEqual([
    ...[decisionId('sch', 'k'), decisionId('sch', 'k'), decisionId('sch', 'l')],
    ...[decisionId('exc', 'k'), decisionId('exc', 'k'), decisionId('exc', 'l')],
  ]);
});
