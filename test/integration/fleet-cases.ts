import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followQuery, runQuery } from '@muster/api-client';
import type { GroupJson, LedgerJson, RawRowJson } from '@muster/api-contract';
import { ledgerBalances, type SessionMode } from '@muster/protocol';
import { startHarness, type Harness, fleetOptions, onChannel } from '../kit/harness.js';
import { Fleet, type ExpectedGroup } from '../simulator/index.js';

const SQL = 'SELECT name, version FROM deb_packages';

const keyed = (values: readonly unknown[]): string => JSON.stringify(values);
const fromApi = (groups: readonly GroupJson[]): Map<string, string> =>
  new Map(groups.map(({ values, endpoints, copies }) => [keyed(values), `${endpoints} endpoints, ${copies} copies`]));
const fromTruth = (groups: readonly ExpectedGroup[]): Map<string, string> =>
  new Map(groups.map(({ row, endpoints, copies }) => [keyed(row), `${endpoints} endpoints, ${copies} copies`]));

/** The ledger's sums, computed from its outcomes. */
function expectBalanced(ledger: LedgerJson): void {
  expect([ledger, ledgerBalances(ledger)]).toEqual([ledger, true]);
}

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness({ gateways: 2 });
});
afterAll(() => harness.close());

/** Every row, group and outcome of a fleet against what its machines have. The fleets of a file come one after the other. */
export function fleetCases(channel: SessionMode, agents: number): void {
  describe(`a ${channel} fleet of ${agents}`, () => {
    let fleet: Fleet;

    beforeAll(async () => {
      fleet = new Fleet({
        ...{ ...fleetOptions(harness), ...onChannel(channel), agents, seed: channel.length + agents },
        behaviour: { failing: 0.02 },
      });
      await fleet.start();
      await fleet.waitFor(() => fleet.count('ready') === agents);
    });
    afterAll(() => fleet.stop());

    it('answers in group form with exactly the rows and counts of the machines, and accounts for every endpoint', async () => {
      const ended = await runQuery(harness.api, { sql: SQL, mode: 'group', timeout: '60s' }, expectBalanced);
      const truth = fleet.expected(SQL, 2);
      expectBalanced(ended.ledger);
      expect(ended.state).toBe('complete');
      expect(ended.ledger).toMatchObject({
        targeted: agents,
        waiting: 0,
        answered: truth.answered,
        empty: truth.empty,
        refused: truth.ended.refused ?? 0,
        error: fleet.agents.filter(({ behaviour }) => behaviour === 'failing').length,
      });
      const call = { params: { id: ended.id }, pageSize: 1_000 };
      const groups = (await harness.api.all('GET /v1/queries/{id}/rows', call)) as GroupJson[];
      expect(fromApi(groups)).toEqual(fromTruth(truth.groups));
    });

    it('answers in raw form with the same rows, endpoint by endpoint', async () => {
      const ended = await runQuery(harness.api, {
        sql: 'SELECT hostname FROM system_info',
        mode: 'raw',
        timeout: '60s',
      });
      const call = { params: { id: ended.id }, pageSize: 1_000 };
      const rows = (await harness.api.all('GET /v1/queries/{id}/rows', call)) as RawRowJson[];
      const answering = fleet.agents.filter(({ behaviour }) => behaviour === 'normal');
      expect(new Set(rows.map(({ agentId }) => agentId))).toEqual(new Set(answering.map(({ agentId }) => agentId)));
      expect(rows).toHaveLength(answering.length);
      expect(rows.filter(({ host, values }) => host !== values[0])).toEqual([]);
    });

    it('reduces all rows of the fleet by a second statement', async () => {
      const reduce = 'SELECT count(*) AS packages, sum(endpoints) AS installs FROM rows';
      const { id } = await harness.api.call('POST /v1/queries', {
        body: { sql: SQL, mode: 'group', reduce, timeout: '60s' },
      });
      let reduced: unknown;
      for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id } }))
        if (event.event === 'reduced') reduced = [event.columns, event.rows];
      const { groups } = fleet.expected(SQL, 2);
      const installs = groups.reduce((sum, { endpoints }) => sum + endpoints, 0);
      expect(reduced).toEqual([['packages', 'installs'], [[groups.length, installs]]]);
    });

    it('targets exactly the selected endpoints', async () => {
      const selected = fleet.agents.filter(({ machine }) => machine.facts.os === 'windows');
      const ended = await runQuery(harness.api, {
        sql: 'SELECT name FROM programs',
        selector: 'os=windows',
        timeout: '60s',
      });
      expect(ended.ledger.targeted).toBe(selected.length);
      const none = await runQuery(harness.api, { sql: 'SELECT 1', selector: 'os=linux,os=windows' });
      expect([none.state, none.ledger.targeted]).toEqual(['complete', 0]);
    });
  });
}

/** A third of the agents drops its connections while it is asked. */
export function vanishingCases(agents: number): void {
  describe(`${agents} agents, of which some vanish during a query`, () => {
    let fleet: Fleet;

    beforeAll(async () => {
      fleet = new Fleet({ ...fleetOptions(harness), agents, seed: agents, behaviour: { slow: 1 }, slowMs: 4_000 });
      await fleet.start();
      await fleet.waitFor(() => fleet.count('ready') === agents);
    });
    afterAll(() => fleet.stop());

    it('are listed as disconnected, and the ledger balances at every moment', async () => {
      const { id } = await harness.api.call('POST /v1/queries', {
        body: { sql: 'SELECT hostname FROM system_info', mode: 'group', timeout: '30s' },
      });
      let killed: string[] = [];
      const ended = await followQuery(harness.api, id, (ledger) => {
        expectBalanced(ledger);
        if (killed.length === 0 && ledger.targeted === agents) killed = fleet.kill(1 / 3).map(({ agentId }) => agentId);
      });
      expect(killed).toHaveLength(agents / 3);
      expectBalanced(ended.ledger);
      const missing = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id }, pageSize: 1000 });
      expect(missing).toHaveLength(ended.ledger.disconnected);
      expect(ended.ledger).toMatchObject({ targeted: agents, waiting: 0, answered: agents - missing.length });
      expect(new Set(missing.map(({ outcome }) => outcome))).toEqual(new Set(['disconnected']));
      // Exactly those agents are missing that were killed before they answered.
      expect(missing.filter(({ agentId }) => !killed.includes(agentId ?? ''))).toEqual([]);
      expect(missing.length).toBeGreaterThan(agents / 6);
    });
  });
}
