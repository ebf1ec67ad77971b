import { expect, test } from '@jest/globals';
import { isPresenceInDoubt } from './presence-doubt.js';
import type { GatewaysResult } from './registry.js';

const info = { sessions: 1, draining: false, startedAtMs: 0 };
const SILENT: GatewaysResult = { kind: 'gateways', gateways: [{ ...info, gatewayId: 'gw-a', remainingMs: -1 }] };
const NONE: GatewaysResult = { kind: 'gateways', gateways: [] };
const leases = (result: GatewaysResult) => ({ lapsed: () => Promise.resolve(result) });

test('who is connected is in doubt when a lease lapsed while messages did not get through, and until gateways had time to renew', async () => {
  expect(await isPresenceInDoubt(leases(SILENT), 0)).toBe(true);
  expect(await isPresenceInDoubt(leases(SILENT), 5_000)).toBe(true);
  expect(await isPresenceInDoubt(leases(NONE), 0)).toBe(false);
  expect(await isPresenceInDoubt(leases(SILENT), 15_000)).toBe(false);
  const unavailable = { kind: 'unavailable', cause: new Error('no redis') } as const;
  expect(await isPresenceInDoubt(leases(unavailable), 0)).toBe(true);
});
