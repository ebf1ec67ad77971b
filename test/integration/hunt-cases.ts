import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GroupJson, LedgerJson, QueryEvent, QueryJson, RawRowJson } from '@muster/api-contract';
import { ledgerBalances } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, onChannel, startHarness, type Harness } from '../kit/harness.js';
import { Fleet, type ChannelBehaviour } from '../simulator/index.js';

const SQL = 'SELECT hostname FROM system_info';
const EVENTUALLY_MS = 60_000;

/** Hunts whose services, gateways and brokers are killed while endpoints come; `mixed`: every second endpoint polls. */
export function huntCases(channel: ChannelBehaviour['mode'], agents: number): void {
  describe(`a hunt (${channel})`, () => {
    const step = agents / 6;
    let harness: Harness;
    let fleet: Fleet | undefined;
    let hosts: ReadonlyMap<string, string>;
    let identities: ReturnType<Fleet['identities']>;

    /** The first `count` endpoints come back, with the identities that they have. */
    async function connect(count: number): Promise<Fleet> {
      await fleet?.stop();
      fleet = new Fleet({ ...fleetOptions(harness), ...onChannel(channel), agents: count, identities });
      await fleet.start();
      return fleet;
    }
    const hunt = (mode: 'raw' | 'group', { waitMs = 3_600_000, selector = '' } = {}): Promise<QueryJson> => {
      const waitUntil = new Date(Date.now() + waitMs).toISOString();
      return harness.api.call('POST /v1/queries', { body: { sql: SQL, mode, selector, waitUntil, timeout: '5s' } });
    };
    const show = (id: string): Promise<QueryJson> => harness.api.call('GET /v1/queries/{id}', { params: { id } });
    const until = (id: string, what: string, holds: (ledger: LedgerJson) => boolean): Promise<unknown> =>
      eventually(
        async () => {
          const { ledger } = await show(id);
          expect(ledgerBalances(ledger)).toBe(true);
          return holds(ledger);
        },
        what,
        EVENTUALLY_MS,
      );
    const settled = ({ answered, empty }: LedgerJson): number => answered + empty;

    beforeAll(async () => {
      harness = await startHarness({
        ...{ gateways: 2, queries: 2, restart: true },
        env: { gateway: { MUSTER_GATEWAY_LEASE: '8s' } },
      });
      const enrolling = new Fleet({ ...fleetOptions(harness), ...onChannel('live'), agents });
      await enrolling.start();
      hosts = new Map(enrolling.agents.map(({ identity, machine }) => [identity.agentId, machine.facts.host] as const));
      identities = enrolling.identities();
      await enrolling.stop();
    });
    afterAll(async () => {
      await fleet?.stop();
      await harness.close();
    });

    it('asks each endpoint once, whatever is killed while it is open, and ends when the last one has answered', async () => {
      const events: QueryEvent[] = [];
      const follow = async (id: string): Promise<QueryJson> => {
        for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id } })) {
          events.push(event);
          if ('ledger' in event && event.ledger !== undefined) expect(ledgerBalances(event.ledger)).toBe(true);
          if (event.event === 'ended') return event.query;
        }
        throw new Error('no end was told');
      };
      const [raw, group] = [await hunt('raw'), await hunt('group')];
      const ends = Promise.all([follow(raw.id), follow(group.id)]);
      await until(raw.id, 'nobody was asked', ({ away, targeted }) => away === agents && targeted === 0);

      const both = async (count: number): Promise<void> => {
        for (const { id } of [raw, group])
          await until(
            id,
            `${count} answers of ${id}`,
            (ledger) => settled(ledger) === count && (ledger.away ?? 0) === agents - count,
          );
      };
      await connect(step);
      await both(step);
      for (const service of harness.stack.queries) service.signal('SIGKILL');
      await connect(2 * step);
      await both(2 * step);
      harness.stack.gateways[0]?.signal('SIGKILL');
      await connect(3 * step);
      await both(3 * step);
      await harness.brokers.nats.kill9();
      await harness.brokers.nats.restart();
      await connect(4 * step);
      await both(4 * step);
      await harness.brokers.redis.kill9();
      await harness.brokers.redis.restart();
      harness.stack.queries[0]?.signal('SIGKILL');
      await connect(agents);

      const [rawEnd, groupEnd] = await ends;
      expect([rawEnd.state, groupEnd.state]).toEqual(['complete', 'complete']);
      for (const { ledger } of [rawEnd, groupEnd])
        expect(ledger).toMatchObject({ targeted: agents, answered: agents, waiting: 0, away: 0 });
      // The simulator's own record of who they are: nobody twice, nobody left out.
      const rows = (await harness.api.all('GET /v1/queries/{id}/rows', {
        params: { id: raw.id },
        pageSize: 1_000,
      })) as RawRowJson[];
      expect(rows).toHaveLength(hosts.size);
      expect(new Map(rows.map(({ agentId, values }) => [agentId, values[0]]))).toEqual(hosts);
      const groups = (await harness.api.all('GET /v1/queries/{id}/rows', {
        params: { id: group.id },
        pageSize: 1_000,
      })) as GroupJson[];
      expect(new Set(groups.map(({ values }) => values[0]))).toEqual(new Set(hosts.values()));
      expect(groups).toHaveLength(hosts.size);
      expect(groups.every(({ endpoints, copies }) => endpoints === 1 && copies === 1)).toBe(true);
    });

    it('is cancelled, and endpoints that come later are not asked', async () => {
      await fleet?.stop();
      fleet = undefined;
      const { id } = await hunt('raw', { selector: `host=${[...hosts.values()][0]}` });
      await until(id, 'it is away', ({ away }) => away === 1);
      await harness.api.call('DELETE /v1/queries/{id}', { params: { id } });
      await eventually(async () => (await show(id)).state === 'cancelled', 'cancelled');
      await connect(5);
      expect((await show(id)).ledger).toMatchObject({ targeted: 0, away: 1 });
    });

    it('ends at the time that was given, and tells who was not asked', async () => {
      await fleet?.stop();
      fleet = undefined;
      const { id } = await hunt('group', { waitMs: 3_000 });
      await eventually(async () => (await show(id)).state === 'complete', 'the end');
      expect((await show(id)).ledger).toMatchObject({ targeted: 0, away: agents });
    });
  });
}
