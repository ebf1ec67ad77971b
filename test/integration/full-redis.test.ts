import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import type { CommandJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { tellRedis } from '../kit/tell-redis.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 40;
/** Services ask every 15 s how full their brokers are. */
const METRIC_WITHIN_MS = 45_000;
/** The rule for alarms in `docs/operations.md`, and a share above it that is not full. */
const ALARM = 0.8;
const NEARLY_FULL = 0.88;

describe('a Redis without memory, while everything runs', () => {
  let harness: Harness;
  let fleet: Fleet;

  beforeAll(async () => {
    harness = await startHarness();
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
  });
  afterAll(async () => {
    await fleet.stop();
    await harness.close();
  });

  /** What every service serves as the share of Redis' memory. */
  async function shares(): Promise<number[]> {
    const { gateways, queries, commands, apis } = harness.stack;
    const texts = [...gateways, ...queries, ...commands, ...apis].map(async ({ healthUrl }) =>
      (await fetch(`${healthUrl}/metrics`)).text(),
    );
    return (await Promise.all(texts)).map((text) =>
      Number(/^muster_\w+_registry_memory_fill_ratio (\S+)$/m.exec(text)?.[1]),
    );
  }
  const connected = async (): Promise<number> =>
    (await harness.api.all('GET /v1/agents')).filter(({ presence }) => presence.state === 'live').length;
  const command = (id: string): Promise<CommandJson> => harness.api.call('GET /v1/commands/{id}', { params: { id } });

  /** A query and a command reach everybody. */
  async function expectAll(): Promise<void> {
    const ended = await runQuery(harness.api, { sql: 'SELECT hostname FROM system_info', timeout: '10s' });
    expect(ended.ledger).toMatchObject({ targeted: AGENTS, answered: AGENTS });
    const body = { action: 'dns.flush', params: {}, target: { selector: '' } };
    const { id } = await harness.api.call('POST /v1/commands', { body });
    await eventually(async () => (await command(id)).status === 'ended', 'the command ended');
    expect((await command(id)).ledger).toMatchObject({ targeted: AGENTS, succeeded: AGENTS });
  }

  /** The metrics say that memory runs short while sessions are still registered. */
  async function expectAlarm(): Promise<void> {
    const roomy = 1_000_000_000;
    await tellRedis(harness.brokers.redis.url, `CONFIG SET maxmemory ${roomy}`);
    await eventually(async () => (await shares()).every((share) => share > 0), 'the limit is known', METRIC_WITHIN_MS);
    const usedBytes = Math.max(...(await shares())) * roomy;
    await tellRedis(harness.brokers.redis.url, `CONFIG SET maxmemory ${Math.ceil(usedBytes / NEARLY_FULL)}`);
    await eventually(async () => (await shares()).every((share) => share > ALARM), 'the alarm', METRIC_WITHIN_MS);
    fleet.agents[0]?.kill();
    await eventually(async () => (await connected()) === AGENTS - 1, 'one has gone');
    fleet.agents[0]?.revive();
    await eventually(async () => (await connected()) === AGENTS, 'it is registered again');
  }

  it('after an alarm, queries and commands reach everybody, also who connects meanwhile; sessions stay, and all are registered after', async () => {
    await expectAlarm();
    const ends = new Map(fleet.stats.ends);
    await tellRedis(harness.brokers.redis.url, 'CONFIG SET maxmemory 1');
    await eventually(async () => (await shares()).every((share) => share >= 1), 'the metrics rise', METRIC_WITHIN_MS);
    await expectAll();
    expect(new Map(fleet.stats.ends)).toEqual(ends);
    fleet.agents[0]?.crash();
    fleet.agents[1]?.crash();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
    await expectAll();
    const sinceMs = performance.now();
    await tellRedis(harness.brokers.redis.url, 'CONFIG SET maxmemory 0');
    await eventually(async () => (await connected()) === AGENTS, 'all are registered');
    process.stderr.write(`all registered ${Math.round(performance.now() - sinceMs)} ms after there was memory\n`);
    await expectAll();
  });
});
