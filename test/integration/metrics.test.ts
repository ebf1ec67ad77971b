// oxlint-disable jest/no-standalone-expect -- the rule does not see that testWithPromtool is a test
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import { ensureBinary } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness, fleetOptions } from '../kit/harness.js';
import { MetricsViewer } from '../kit/metrics-viewer.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 40;
/** Endpoints that send samples. */
const MEASURED = 20;
/** Invariant: no label has values that grow with the fleet or its use. */
const UNBOUNDED = /agent|host|query|id$|org|operator|user|sql|address|url/;

// Reported as skipped where Prometheus can neither be found nor installed.
const promtool = await ensureBinary('promtool', 'prometheus', { logger: silentLogger }).catch(() => undefined);
const testWithPromtool = promtool === undefined ? test.skip : test;

/** Samples of endpoints and of the product itself. */
describe('metrics after some use', () => {
  let harness: Harness;
  let folder: string;
  const fleets: Fleet[] = [];
  const texts = new Map<string, string>();
  const ids: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-metrics-'));
    const policy = join(folder, 'policy.json');
    await writeFile(policy, JSON.stringify({ rules: [{ selector: '', interval: '10s' }] }));
    harness = await startHarness({
      ...{ gateways: 2, telemetries: 2, restart: true },
      env: { gateway: { MUSTER_METRICS_POLICY_FILE: policy, MUSTER_GATEWAY_LEASE: '8s' } },
    });
    const fleet = new Fleet({
      ...{ ...fleetOptions(harness), agents: AGENTS },
      behaviour: { failing: 0.2, disappearing: 0.2 },
    });
    fleets.push(fleet);
    await fleet.start();
    ids.push(...fleet.agents.flatMap(({ agentId, machine }) => [agentId, machine.facts.host]));
    for (const mode of ['raw', 'group'] as const) {
      const reduce = 'SELECT count(*) AS n FROM rows';
      const ended = await runQuery(harness.api, {
        sql: 'SELECT hostname FROM system_info',
        mode,
        reduce,
        timeout: '5s',
      });
      expect(ended.state).toBe('complete');
      ids.push(ended.id);
    }
    for (const path of ['/v1/nothing', '/v1/agents/none', `/v1/queries/${ids.at(-1)}/rows`, '/v1/agents?selector=!'])
      await harness.api.fetch(path);
    await fetch(`${harness.stack.apiUrl}/v1/agents`);
    const { gateways, queries, telemetries, apis } = harness.stack;
    for (const { name, healthUrl } of [...gateways, ...queries, ...telemetries, ...apis]) {
      const response = await fetch(`${healthUrl}/metrics`);
      expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
      texts.set(name, await response.text());
    }
  });
  afterAll(async () => {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await harness.close();
    await rm(folder, { recursive: true, force: true });
  });

  const services = ['gateway-1', 'query-1', 'telemetry-1', 'api-1'];

  test.each(services)('of %s counts the events', (name) => {
    const own = [...texts.get(name)!.matchAll(/^muster_\w+(?:\{[^}]*\})? [1-9]/gm)];
    expect(own.length).toBeGreaterThan(5);
  });

  testWithPromtool.each(services)('of %s passes promtool', (name) => {
    const check = spawnSync(promtool!, ['check', 'metrics'], { input: texts.get(name), encoding: 'utf8' });
    const { status, stdout, stderr } = check;
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  testWithPromtool.each(services)('of %s has few series of each metric', (name) => {
    const args = ['check', 'metrics', '--extended'];
    const { status, stdout, stderr } = spawnSync(promtool!, args, { input: texts.get(name), encoding: 'utf8' });
    if (/unknown long flag/.test(stderr)) return;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // Columns: metric, cardinality, percentage.
    const counts = [...stdout.matchAll(/^(\w+)\s+(\d+)\s+[\d.]+%/gm)].map(([, metric, count]) => [
      metric,
      Number(count),
    ]);
    expect(counts.length).toBeGreaterThan(20);
    expect(counts.filter(([metric, count]) => metric !== 'Total' && Number(count) > 100)).toEqual([]);
    expect(Number(new Map(counts as [string, number][]).get('Total'))).toBeLessThan(500);
  });

  test.each(services)('of %s has no label that grows with the fleet', (name) => {
    const text = texts.get(name)!;
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label));
    // The fleet is counted by organisation: a number of groups that is bounded.
    expect([...labels].filter((label) => UNBOUNDED.test(label) && label !== 'org')).toEqual([]);
    expect(ids.filter((id) => text.includes(id))).toEqual([]);
  });

  /** Every endpoint that measures is counted once, by a sample that came after this moment. */
  const allCounted = async (sinceMs: number): Promise<unknown> =>
    eventually(async () => {
      const askedMs = Date.now();
      const { items: rows, partitions } = await harness.api.call('GET /v1/fleet/top', {
        query: { by: 'cpu', limit: 1_000 },
      });
      if (partitions.missing.length > 0) return false;
      expect(rows.length).toBeLessThanOrEqual(MEASURED);
      return (
        new Set(rows.map(({ agentId }) => agentId)).size === MEASURED &&
        rows.every(({ ageMs }) => ageMs < askedMs - sinceMs)
      );
    }, 'every endpoint is counted by a new sample');

  test('streams of viewers go on by themselves, and every endpoint is counted once again, after each part was killed, frozen or restarted', async () => {
    const measured = new Fleet({ ...fleetOptions(harness), agents: MEASURED, seed: 2, metrics: true });
    fleets.push(measured);
    await measured.start();
    const viewers = measured.agents.slice(0, 3).map(({ agentId }) => new MetricsViewer(harness.api, agentId));
    const { gateways, telemetries } = harness.stack;
    const { nats, redis } = harness.brokers;
    await allCounted(0);
    for (const viewer of viewers) await eventually(() => viewer.lastMs > 0, 'the first sample');
    const faults: Readonly<Record<string, () => Promise<void> | void>> = {
      'gateway killed': () => void gateways[0]?.signal('SIGKILL'),
      'telemetry killed': () => void telemetries[0]?.signal('SIGKILL'),
      'telemetry frozen': async () => {
        telemetries[1]?.signal('SIGSTOP');
        await allCounted(Date.now());
        telemetries[1]?.signal('SIGCONT');
      },
      'redis restarted': () => redis.kill9().then(() => redis.restart()),
      // Long enough for a gap, which is more than ten seconds without a sample.
      'nats restarted': async () => {
        await nats.kill9();
        await new Promise((resolve) => setTimeout(resolve, 12_000));
        await nats.restart();
      },
    };
    for (const [name, fault] of Object.entries(faults)) {
      await fault();
      const sinceMs = Date.now();
      await allCounted(sinceMs);
      for (const viewer of viewers) await eventually(() => viewer.lastMs > sinceMs, `a sample after: ${name}`, 60_000);
    }
    for (const viewer of viewers) {
      expect(viewer.unmarked).toEqual([]);
      expect(viewer.gaps).toBeGreaterThan(0);
      expect(viewer.problems).toEqual([]);
      await viewer.stop();
    }
  });
});
