import { expect, test } from '@jest/globals';
import { operations } from '@muster/api-contract';
import { EMPTY_LEDGER } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { systemClock } from '@muster/runtime';
import { RetentionPolicy } from '../queries/retention-policy.js';
import { postureOperations } from './posture-operations.js';

const PACK = { id: 'own', version: '1.0.0', hash: 'a', checks: 1, jws: 'j', keys: 'k' };

/** The ids of the scans that one call asks for, where the first of them ended so. */
async function askedBy(queryId: string | undefined, state: 'running' | 'interrupted') {
  const asked: (string | undefined)[] = [];
  const client = {
    ask: ({ id }: { readonly id?: string }) => {
      asked.push(id);
      const times = {
        createdAtMs: 0,
        deadlineMs: 0,
        timeoutMs: 1,
        ledger: EMPTY_LEDGER,
        offline: 0,
        rows: 0,
        mode: 'group',
      };
      const of = {
        org: 'acme',
        operator: 'ann',
        operatorName: 'Ann',
        selector: '',
        scope: '',
        sql: 'SCAN',
        columns: [],
      };
      const record = { ...of, ...times, id: id ?? 'qnew', pack: PACK, state: asked.length === 1 ? state : 'running' };
      return Promise.resolve({ t: 'scan_started', record });
    },
  };
  const retention = new RetentionPolicy([], STREAMS.results.maxAgeMs);
  const parts = { client, health: { among: () => Promise.resolve({}) }, retention, clock: systemClock } as never;
  const start = postureOperations(parts).find(({ id }) => id === operations.startScan.id);
  const body = { pack: 'own', selector: '', timeoutMs: 1_000, detail: 'checks' };
  const principal = { id: 'ann', name: 'Ann', org: 'acme', bound: [] };
  await start?.handle({ principal, body, queryId, note: () => undefined } as never);
  return asked;
}

test('the id of a scan is kept under the idempotency key: a repeat asks for the same one', async () => {
  expect(operations.startScan.idempotent).toBe('query_id');
  expect(await askedBy('qkept', 'running')).toEqual(['qkept']);
  expect(await askedBy(undefined, 'running')).toEqual([undefined]);
});

test('one that broke off before its caller heard of it is started again', async () => {
  expect(await askedBy('qkept', 'interrupted')).toEqual(['qkept', undefined]);
});
