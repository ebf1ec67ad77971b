import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followQuery, runQuery } from '@muster/api-client';
import type { GroupJson, LedgerJson } from '@muster/api-contract';
import { ledgerBalances } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { startHaproxy, type LoadBalancer } from '../kit/haproxy.js';
import { startHarness, type Harness, onChannel } from '../kit/harness.js';
import { Fleet, type ChannelBehaviour } from '../simulator/index.js';

const SQL = 'SELECT hostname FROM system_info';

/** The number of sessions in a gateway's metrics. */
async function liveSessions(healthUrl: string | undefined): Promise<number> {
  const text = await (await fetch(`${healthUrl}/metrics`)).text();
  return Number(/^muster_gateway_live_sessions (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

const sum = (ledger: LedgerJson, ...outcomes: (keyof LedgerJson)[]): number =>
  outcomes.reduce((total, outcome) => total + (ledger[outcome] ?? 0), 0);

/** Two gateways and a coordinator that are killed or frozen, and a Redis that loses its data; `mixed`: every second endpoint polls. */
export function failoverCases(channel: ChannelBehaviour['mode'], agents: number): void {
  describe(`two gateways behind HAProxy (${channel})`, () => {
    const selector = channel === 'mixed' ? 'mode in (live,poll)' : `mode=${channel}`;
    let harness: Harness;
    let balancer: LoadBalancer;
    let fleet: Fleet;

    const groupsOf = async (id: string): Promise<GroupJson[]> =>
      (await harness.api.all('GET /v1/queries/{id}/rows', { params: { id }, pageSize: 1_000 })) as GroupJson[];
    const gateway = (i: number) => {
      const one = harness.stack.gateways[i];
      if (one === undefined) throw new Error(`no gateway ${i}`);
      return one;
    };
    const host = (i: number): string => gateway(i).url.replace('ws://', '');

    beforeAll(async () => {
      harness = await startHarness({
        gateways: 2,
        restart: true,
        env: { gateway: { MUSTER_GATEWAY_LEASE: '8s', MUSTER_TRUSTED_PROXIES: '127.0.0.1' } },
      });
      balancer = await startHaproxy([host(0), host(1)]);
      fleet = new Fleet({
        gateways: [`ws://${balancer.address}`],
        org: harness.stack.org,
        enrolSecret: harness.stack.enrollSecret,
        agents,
        ...onChannel(channel),
        behaviour: { slow: 0.5 },
        slowMs: 3_000,
      });
      await fleet.start();
      await fleet.waitFor(() => fleet.count('ready') === agents);
    });
    afterAll(async () => {
      await fleet.stop();
      await balancer.stop();
      await harness.close();
    });

    it('share the fleet, and one query reaches all of it', async () => {
      const held = await Promise.all([0, 1].map((i) => liveSessions(gateway(i).healthUrl)));
      expect((held[0] ?? 0) + (held[1] ?? 0)).toBe(agents);
      expect(Math.min(...held)).toBeGreaterThan(agents / 4);
      const ended = await runQuery(harness.api, { sql: SQL, timeout: '30s' });
      expect(ended.ledger).toMatchObject({ targeted: agents, answered: agents, waiting: 0 });
    });

    it('one gateway is killed during a query: no agent is missing in the ledger, and the next query counts each once', async () => {
      const { id } = await harness.api.call('POST /v1/queries', { body: { sql: SQL, mode: 'group', timeout: '30s' } });
      let killedAtMs = 0;
      const ended = await followQuery(harness.api, id, (ledger) => {
        expect(ledgerBalances(ledger)).toBe(true);
        if (killedAtMs > 0 || ledger.targeted !== agents) return;
        killedAtMs = performance.now();
        gateway(0).signal('SIGKILL');
      });
      expect(killedAtMs).toBeGreaterThan(0);
      // The other gateway asked again the agents that reconnected in time; the others are unreachable, and listed.
      expect(ended.ledger).toMatchObject({ targeted: agents, waiting: 0 });
      expect(sum(ended.ledger, 'answered', 'unreachable', 'disconnected')).toBe(agents);
      const missing = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id }, pageSize: 1000 });
      expect(missing).toHaveLength(sum(ended.ledger, 'unreachable', 'disconnected'));
      const groups = await groupsOf(id);
      expect(groups.reduce((total, { endpoints }) => total + endpoints, 0)).toBe(ended.ledger.answered);

      await fleet.waitFor(() => fleet.count('ready') === agents);
      expect(performance.now() - killedAtMs).toBeLessThan(30_000);
      const next = await runQuery(harness.api, { sql: SQL, timeout: '30s' });
      expect(next.ledger).toMatchObject({ targeted: agents, answered: agents });
    });

    it('one gateway is frozen past its lease: when it resumes, it is fenced, counts no agent and closes its old sockets', async () => {
      await eventually(
        async () => (await fetch(`http://${host(0)}/readyz`).catch(() => undefined))?.status === 200,
        'the killed gateway is back',
      );
      await eventually(async () => (await liveSessions(gateway(1).healthUrl)) > 0, 'a balanced fleet');
      const frozen = gateway(1);
      const before = await liveSessions(frozen.healthUrl);
      expect(before).toBeGreaterThan(0);
      frozen.signal('SIGSTOP');
      const leaseIsOver = new Promise((resolve) => setTimeout(resolve, 9_000));
      // HAProxy detects it after three seconds and cuts its sessions; the agents reconnect through the other gateway.
      await eventually(
        async () => (await liveSessions(gateway(0).healthUrl)) === agents,
        'all agents on the other gateway',
      );
      const during = await runQuery(harness.api, { sql: SQL, mode: 'group', timeout: '20s' });
      expect(during.ledger).toMatchObject({ targeted: agents, answered: agents });
      await leaseIsOver;
      frozen.signal('SIGCONT');
      await eventually(
        async () => (await liveSessions(frozen.healthUrl)) === 0,
        'the fenced gateway has no session',
        10_000,
      );
      const after = await runQuery(harness.api, { sql: SQL, mode: 'group', timeout: '20s' });
      expect(after.ledger).toMatchObject({ targeted: agents, answered: agents });
      const groups = await groupsOf(after.id);
      expect(groups.reduce((total, { endpoints }) => total + endpoints, 0)).toBe(agents);
    });

    it('Redis loses its data: live queries continue, and the registry is filled again', async () => {
      await harness.brokers.redis.kill9();
      const without = await runQuery(harness.api, { sql: SQL, timeout: '20s' });
      expect(without.ledger).toMatchObject({ targeted: agents, answered: agents });
      await harness.brokers.redis.restart();
      await eventually(
        async () => (await harness.api.all('GET /v1/agents', { query: { selector } })).length === agents,
        'all agents are listed as connected again',
      );
    });

    it('a query whose coordinator is killed ends as interrupted, with the results so far, and its viewers see the end', async () => {
      const { id } = await harness.api.call('POST /v1/queries', { body: { sql: SQL, mode: 'group', timeout: '60s' } });
      const coordinator = harness.stack.queries[0];
      let killed = false;
      const ended = await followQuery(harness.api, id, (ledger) => {
        if (killed || ledger.answered === 0) return;
        killed = true;
        coordinator?.signal('SIGKILL');
      });
      expect(ended.state).toBe('interrupted');
      expect(ledgerBalances(ended.ledger)).toBe(true);
      expect(ended.ledger.answered).toBeGreaterThan(0);
      await eventually(
        async () => (await harness.api.fetch('/v1/queries', { method: 'POST', body: { sql: SQL } })).status === 201,
        'a query service is back',
      );
    });
  });
}
