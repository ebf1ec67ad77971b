import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { QueryJson, RawRowJson } from '@muster/api-contract';
import { ledgerBalances } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, onChannel, startHarness, type Harness } from '../kit/harness.js';
import { Fleet, type BehaviourMix, type ChannelBehaviour } from '../simulator/index.js';

const AGENTS = 60;
const SQL = 'SELECT hostname FROM system_info';

describe.each(['live', 'poll', 'mixed'] as const)('a retry while endpoints move between gateways (%s)', (channel) => {
  let harness: Harness;
  let fleet: Fleet | undefined;
  let identities: ReturnType<Fleet['identities']> | undefined;
  let hosts: ReadonlyMap<string, string>;

  async function connect(behaviour: Partial<BehaviourMix>, mode: ChannelBehaviour['mode']): Promise<Fleet> {
    await fleet?.stop();
    const known = identities === undefined ? {} : { identities };
    fleet = new Fleet({
      ...fleetOptions(harness),
      ...onChannel(mode),
      ...known,
      agents: AGENTS,
      behaviour,
      slowMs: 2_000,
    });
    await fleet.start();
    return fleet;
  }
  const ended = (id: string): Promise<QueryJson> =>
    eventually(
      async () => {
        const query = await harness.api.call('GET /v1/queries/{id}', { params: { id } });
        expect(ledgerBalances(query.ledger)).toBe(true);
        return query.state === 'running' ? undefined : query;
      },
      `the end of ${id}`,
      90_000,
    );

  beforeAll(async () => {
    harness = await startHarness({ gateways: 3 });
    const first = await connect({}, 'live');
    hosts = new Map(first.agents.map(({ identity, machine }) => [identity.agentId, machine.facts.host] as const));
    identities = first.identities();
  });
  afterEach(async () => {
    await fleet?.stop();
    fleet = undefined;
  });
  afterAll(() => harness.close());

  it('asks each endpoint without an answer, none twice and nobody else, and both together are the whole fleet', async () => {
    await connect({ failing: 0.5 }, channel);
    const body = { sql: SQL, mode: 'raw', timeout: '30s' } as const;
    const first = await ended((await harness.api.call('POST /v1/queries', { body })).id);
    const { answered, error } = first.ledger;
    expect(first.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS - error });
    expect(Math.min(answered, error)).toBeGreaterThan(0);

    const moving = await connect({ slow: 1 }, channel);
    const retried = { retryOf: first.id, timeout: '60s' } as const;
    const { id } = await harness.api.call('POST /v1/queries', { body: retried });
    let isOver = false;
    const end = ended(id).finally(() => (isOver = true));
    // Each goes to the next gateway, opens there before it leaves, and again, while it works on its answer. Those that
    // poll do so by themselves.
    for (let moves = 0; moves < 3 && !isOver; moves += 1) {
      const before = new Map(moving.agents.map((agent) => [agent, agent.epoch]));
      for (const agent of moving.agents) if (agent.mode === 'live') agent.reconnectAfter(0);
      await eventually(
        () => isOver || moving.agents.every((agent) => agent.mode !== 'live' || agent.epoch !== before.get(agent)),
        'all have moved',
        60_000,
      );
    }
    expect((await end).ledger).toMatchObject({ targeted: error, answered: error, waiting: 0 });

    const merged = { params: { id }, query: { merged: 'true' as const } };
    const rows = (await harness.api.all('GET /v1/queries/{id}/rows', merged)) as RawRowJson[];
    expect(rows).toHaveLength(AGENTS);
    expect(new Map(rows.map(({ agentId, values }) => [agentId, values[0]]))).toEqual(hosts);
    const states = await harness.api.call('GET /v1/queries/{id}/endpoints', merged);
    expect(states.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS });
    expect(states.items).toEqual([]);
    const again = harness.api.call('POST /v1/queries', { body: { retryOf: id } });
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
  });
});
