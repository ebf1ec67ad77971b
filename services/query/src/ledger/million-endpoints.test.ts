import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { ledgerBalances, type GatewayId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { QueryLedger } from './query-ledger.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const GATEWAYS = 50;
const EACH = 20_000;
const numbersOf = (gateway: number): number[] => Array.from({ length: EACH }, (_, i) => i * GATEWAYS + gateway + 1);

test('a million endpoints, half of which fail at the end, are less than fifty bytes each', () => {
  const before = heldBytes();
  const ledger = new QueryLedger({ form: 'group', onReleased: () => undefined });
  for (let i = 0; i < GATEWAYS; i += 1) ledger.target(`gw-${i}` as GatewayId, numbersOf(i), false);
  ledger.seal();
  for (let i = 0; i < GATEWAYS / 2; i += 1) ledger.answeredInGroups(`gw-${i}` as GatewayId, numbersOf(i));
  ledger.end('deadline', 'it did not answer in time');
  expect((heldBytes() - before) / (GATEWAYS * EACH)).toBeLessThan(50);

  const changes = ledger.changes.take(true);
  expect(decodeNumberSet(changes?.targeted ?? new Uint8Array()).length).toBe(GATEWAYS * EACH);
  expect(decodeNumberSet(changes?.answered ?? new Uint8Array()).length).toBe((GATEWAYS * EACH) / 2);
  expect(ledgerBalances(ledger.snapshot())).toBe(true);
  expect(ledger.snapshot()).toMatchObject({ waiting: 0, answered: 500_000, timed_out: 500_000 });
  let listed = 0;
  for (let taken = ledger.failures.takeFailures(1_000_000); taken.length > 0;) {
    listed += taken.length;
    taken = ledger.failures.takeFailures(1_000_000);
  }
  expect(listed).toBe(500_000);
});
