import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followQuery } from '@muster/api-client';
import type { LedgerJson } from '@muster/api-contract';
import { ledgerBalances } from '@muster/protocol';
import { startHarness, type Harness, fleetOptions, onChannel } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 200;

describe.each(['live', 'poll'] as const)(
  'a query that is cancelled while half of the fleet still works on it (%s)',
  (channel) => {
    let harness: Harness;
    let fleet: Fleet;

    beforeAll(async () => {
      harness = await startHarness({ gateways: 2 });
      // The slow half answers only after the cancel.
      fleet = new Fleet({
        ...fleetOptions(harness),
        agents: AGENTS,
        ...onChannel(channel),
        behaviour: { slow: 0.5 },
        slowMs: 120_000,
      });
      await fleet.start();
    });
    afterAll(async () => {
      await fleet.stop();
      await harness.close();
    });

    it.each(['raw', 'group'] as const)(
      'ends at once with the results so far, in %s form; every agent that works on it gets the cancel',
      async (mode) => {
        const slow = fleet.agents.filter(({ behaviour }) => behaviour === 'slow').map(({ agentId }) => agentId);
        const quick = AGENTS - slow.length;
        const cancelsBefore = fleet.stats.cancels;
        const { id } = await harness.api.call('POST /v1/queries', {
          body: { sql: 'SELECT hostname FROM system_info', mode, timeout: '5m' },
        });
        let cancelled: Promise<Response> | undefined;
        const ended = await followQuery(harness.api, id, (ledger) => {
          expectBalanced(ledger);
          if (ledger.answered === quick) cancelled ??= harness.api.fetch(`/v1/queries/${id}`, { method: 'DELETE' });
        });
        expect((await cancelled)?.status).toBe(202);

        expectBalanced(ended.ledger);
        expect(ended.state).toBe('cancelled');
        expect(ended.ledger).toMatchObject({ targeted: AGENTS, waiting: 0, answered: quick, timed_out: slow.length });
        const missing = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id }, pageSize: 1000 });
        expect(new Set(missing.map(({ agentId }) => agentId))).toEqual(new Set(slow));
        expect(missing).toHaveLength(slow.length);
        expect(new Set(missing.map(({ code }) => code))).toEqual(new Set(['cancelled']));

        await fleet.waitFor(() => fleet.stats.cancels - cancelsBefore === slow.length);
        expect(fleet.count('ready')).toBe(AGENTS);
        // A second cancel changes nothing, and late viewers see the same result.
        expect((await harness.api.fetch(`/v1/queries/${id}`, { method: 'DELETE' })).status).toBe(204);
        expect(await harness.api.call('GET /v1/queries/{id}', { params: { id } })).toMatchObject({
          state: 'cancelled',
          ledger: ended.ledger,
        });
        expect(await followQuery(harness.api, id)).toMatchObject({ state: 'cancelled', ledger: ended.ledger });
      },
      60_000,
    );
  },
);

function expectBalanced(ledger: LedgerJson): void {
  expect([ledger, ledgerBalances(ledger)]).toEqual([ledger, true]);
}
